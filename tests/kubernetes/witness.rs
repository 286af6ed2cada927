//! `kubectl get --watch` beside readscope, as an independent source of times.

use std::{
    io::BufReader,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use serde_json::{Deserializer, Value};

use crate::support::waiting::wait_for;
use crate::{WITHIN, lab::Lab};

/// All states of all objects in order, with the time at which they were seen.
pub(crate) struct Witness {
    seen: Arc<Mutex<Vec<(Timestamp, Value)>>>,
    watching: Vec<Child>,
}

impl Witness {
    /// Watches the objects of scale events; returns when all existing ones are seen.
    pub(crate) fn of(lab: &Lab) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kinds = ["statefulsets", "persistentvolumeclaims", "pods", "endpointslices"];
        let watching = kinds.iter().map(|kind| {
            let mut command = lab.cluster().call();
            command.args(["-n", "mysql", "get", kind, "--watch", "-o", "json"]);
            let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
            let (output, seen) = (child.stdout.take().unwrap(), Arc::clone(&seen));
            std::thread::spawn(move || {
                for object in
                    Deserializer::from_reader(BufReader::new(output)).into_iter::<Value>().map_while(Result::ok)
                {
                    seen.lock().unwrap().push((Timestamp::now(), object));
                }
            });
            child
        });
        let witness = Self { watching: watching.collect(), seen };
        for kind in ["StatefulSet", "PersistentVolumeClaim", "Pod", "EndpointSlice"] {
            wait_for("the witness to see", WITHIN, || witness.first(|object| object["kind"] == kind));
        }
        witness
    }

    /// When an object was first seen in this state.
    pub(crate) fn first(&self, is_so: impl Fn(&Value) -> bool) -> Option<Timestamp> {
        let seen = self.seen.lock().unwrap();
        seen.iter().find(|(_, object)| is_so(object)).map(|(when, _)| *when)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        for child in &mut self.watching {
            // Both fail only if it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether the object is of this kind and name.
pub(crate) fn is(object: &Value, kind: &str, name: &str) -> bool {
    object["kind"] == kind && object["metadata"]["name"] == name
}

/// The time since which a condition of a pod is true.
pub(crate) fn condition(pod: &Value, kind: &str) -> Option<Timestamp> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == kind && condition["status"] == "True")?;
    condition["lastTransitionTime"].as_str()?.parse().ok()
}
