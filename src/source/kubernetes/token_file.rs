//! The token in a file, for each request.
//!
//! The library would send the line break at the end of the file too, and no HTTP header may contain one. `kubectl`
//! leaves it out.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use hyper::{
    Request,
    header::{AUTHORIZATION, HeaderValue},
};
use kube::config::AuthInfo;
use parking_lot::Mutex;

use crate::config::{PasswordError, Secret};

#[derive(Clone)]
pub(super) struct TokenFile {
    path: PathBuf,
    /// Of the last read that succeeded.
    token: Arc<Mutex<Secret>>,
}

impl TokenFile {
    /// Takes the file unless the library would use other credentials of the user.
    pub(super) fn take(user: &mut AuthInfo) -> Result<Option<Self>, PasswordError> {
        let basic = user.username.is_some() && user.password.is_some();
        if user.auth_provider.is_some() || basic || user.token.is_some() {
            return Ok(None);
        }
        let Some(path) = user.token_file.take().map(PathBuf::from) else { return Ok(None) };
        // Without the file, the library would run the plugin.
        user.exec = None;
        let token = Arc::new(Mutex::new(read(&path)?));
        Ok(Some(Self { path, token }))
    }

    /// Kubernetes replaces the file before its token expires.
    pub(super) fn authorize<B>(&self, mut request: Request<B>) -> Request<B> {
        let mut token = self.token.lock();
        if let Ok(new) = read(&self.path) {
            *token = new;
        }
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose())) {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    }
}

fn read(path: &Path) -> Result<Secret, PasswordError> {
    Secret::in_file(path, "the token file of the Kubernetes API")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sent(token_file: &TokenFile) -> String {
        let request = token_file.authorize(Request::new(()));
        request.headers()[AUTHORIZATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn the_token_is_the_line_of_the_file_as_it_is_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let user = || AuthInfo { token_file: Some(path.display().to_string()), ..AuthInfo::default() };
        let refused = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            TokenFile::take(&mut user()).err().unwrap().to_string()
        };
        let place = format!("the token file of the Kubernetes API {path:?}");
        assert!(TokenFile::take(&mut user()).err().unwrap().to_string().starts_with(&format!("cannot read {place}: ")));
        assert!(refused(b"\n").starts_with(&format!("{place} is empty; ")));
        assert!(refused(b"a\nb").starts_with(&format!("{place} is not one line of UTF-8 text; ")));
        fs::write(&path, "\u{feff}one\r\n").unwrap();
        let token_file = TokenFile::take(&mut user()).unwrap().unwrap();
        assert_eq!(sent(&token_file), "Bearer one");
        fs::write(&path, "two\n").unwrap();
        assert_eq!(sent(&token_file), "Bearer two");
        for text in [&b""[..], b"a\0b"] {
            fs::write(&path, text).unwrap();
            assert_eq!(sent(&token_file), "Bearer two", "the last token stays");
        }
    }

    #[test]
    fn other_credentials_win_as_in_the_library() {
        let file = || AuthInfo { token_file: Some("does/not/exist".to_owned()), ..AuthInfo::default() };
        let mut inline = AuthInfo { token: Some("token".to_owned().into()), ..file() };
        assert!(TokenFile::take(&mut inline).unwrap().is_none());
        let basic = Some("password".to_owned().into());
        let mut basic = AuthInfo { username: Some("user".to_owned()), password: basic, ..file() };
        assert!(TokenFile::take(&mut basic).unwrap().is_none());
        assert!(TokenFile::take(&mut AuthInfo::default()).unwrap().is_none());
    }
}
