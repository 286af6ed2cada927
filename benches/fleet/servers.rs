//! The read Services of every target, with five replicas each, in a process of their own: what they take of the processor
//! is not readscope's.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    net::Ipv4Addr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::support::fleet::read_services;

/// The argument that makes this program that process; their number comes after it.
pub(crate) const ARGUMENT: &str = "--read-services";

/// The process.
pub(crate) struct ReadServices {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where each one listens.
    pub(crate) ports: Vec<u16>,
}

impl ReadServices {
    pub(crate) fn start(number: usize) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (questions, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut services = Self { process, questions, answers, ports: Vec::new() };
        services.ports = services.numbers()?.map(|port| port.try_into().unwrap()).collect();
        Ok(services)
    }

    /// How many connections each one has had.
    pub(crate) fn connections(&mut self) -> io::Result<Vec<u64>> {
        writeln!(self.questions, "how many?")?;
        Ok(self.numbers()?.collect())
    }

    fn numbers(&mut self) -> io::Result<impl Iterator<Item = u64> + use<>> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        Ok(numbers.into_iter())
    }
}

impl Drop for ReadServices {
    fn drop(&mut self) {
        // Both fail only where the process has ended and was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the process does, until its parent is gone.
pub(crate) fn serve(number: u32) -> io::Result<()> {
    let (asked, mut questions) = mpsc::unbounded_channel();
    std::thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| asked.send(line)));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let stop = CancellationToken::new();
        let (mut services, mut ports, mut serving) = (Vec::new(), Vec::new(), JoinSet::new());
        for (listener, service) in read_services(number, Ipv4Addr::LOCALHOST).await {
            ports.push(listener.local_addr()?.port().into());
            services.push(Arc::clone(&service));
            let stop = stop.clone();
            serving.spawn(async move { service.serve(listener, stop).await });
        }
        tell(&ports)?;
        while questions.recv().await.is_some() {
            tell(&services.iter().map(|service| service.connections()).collect::<Vec<_>>())?;
        }
        Ok(())
    })
}

fn tell(numbers: &[u64]) -> io::Result<()> {
    let text: Vec<_> = numbers.iter().map(u64::to_string).collect();
    writeln!(io::stdout(), "{}", text.join(" "))
}
