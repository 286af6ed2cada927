//! Certificate authorities of a test.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::commands::run;

/// An authority and what it has issued, as PEM files in a directory.
pub(crate) struct Authority {
    directory: PathBuf,
    name: String,
}

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let authority = Self { directory: directory.to_owned(), name: name.to_owned() };
        let own = authority.files("ca");
        request(&own, name, &["-addext", "keyUsage=critical,keyCertSign"]);
        authority
    }

    /// The authority's own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.files("ca").certificate
    }

    /// A server certificate; the names are in the format of openssl's `subjectAltName`.
    pub(crate) fn server(&self, alternative_names: &str) -> Certificate {
        self.issue("server", &format!("subjectAltName={alternative_names}"))
    }

    /// As older openssl makes them without extensions.
    pub(crate) fn server_of_version_1(&self) -> Certificate {
        let (own, issued) = (self.files("ca"), self.files("server"));
        let request = self.directory.join("request.pem");
        run(Command::new("openssl")
            .args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server"])
            .arg("-keyout")
            .arg(&issued.key)
            .arg("-out")
            .arg(&request));
        run(Command::new("openssl")
            .args(["x509", "-req", "-days", "2", "-set_serial", "1", "-in"])
            .arg(&request)
            .arg("-CA")
            .arg(&own.certificate)
            .arg("-CAkey")
            .arg(&own.key)
            .arg("-out")
            .arg(&issued.certificate));
        issued
    }

    pub(crate) fn client(&self) -> Certificate {
        self.issue("client", "extendedKeyUsage=clientAuth")
    }

    /// A client certificate with these names, in the format of openssl's `subjectAltName`.
    pub(crate) fn client_called(&self, subject: &str, alternative_names: &str) -> Certificate {
        self.issue(subject, &format!("subjectAltName={alternative_names}"))
    }

    fn issue(&self, subject: &str, extension: &str) -> Certificate {
        let (own, issued) = (self.files("ca"), self.files(subject));
        let (certificate, key) = (own.certificate.display().to_string(), own.key.display().to_string());
        let not_an_authority = "basicConstraints=critical,CA:FALSE";
        request(
            &issued,
            subject,
            &["-CA", &certificate, "-CAkey", &key, "-addext", extension, "-addext", not_an_authority],
        );
        issued
    }

    fn files(&self, subject: &str) -> Certificate {
        let file = |extension| self.directory.join(format!("{}-{subject}.{extension}", self.name));
        Certificate { certificate: file("pem"), key: file("key") }
    }
}

fn request(files: &Certificate, subject: &str, arguments: &[&str]) {
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={subject}"), "-out"])
        .arg(&files.certificate)
        .arg("-keyout")
        .arg(&files.key)
        .args(arguments));
}
