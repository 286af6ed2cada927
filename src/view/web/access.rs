//! Access control: TLS, users and passwords, the request rate, response headers.
//!
//! Password checks run one at a time, because bcrypt is slow, with a short queue. Correct passwords are cached as keyed
//! digests, so that a flood of wrong passwords does not lock out users with correct ones.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use base64::Engine;
use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use parking_lot::Mutex;
use ring::hmac;
use tokio::{sync::Semaphore, time::Instant};
use tokio_rustls::TlsAcceptor;

use super::response::{Response, busy, text, with_header};

/// Requests that may wait for a password check. Each check takes tens of milliseconds or more.
const WAITING_MAX: usize = 32;

/// The hash for an unknown user where no user's hash is available. No password matches it.
const NO_PASSWORD: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

pub struct Access {
    pub(super) tls: Option<TlsAcceptor>,
    users: BTreeMap<String, String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    rate: Option<Mutex<Bucket>>,
    /// Random per process, so that a digest does not reveal a password.
    key: hmac::Key,
    checked: Mutex<HashMap<String, hmac::Tag>>,
    checking: Arc<Semaphore>,
    waiting: Semaphore,
}

#[derive(Debug)]
struct Bucket {
    interval: Duration,
    burst: u32,
    tokens: f64,
    filled: Instant,
}

impl Access {
    pub fn open() -> Self {
        Self::new(None, BTreeMap::new(), &[], None)
    }

    /// `users` have bcrypt hashes; if empty, every client has access. `rate` is the time between requests and the burst.
    pub fn new(
        tls: Option<TlsAcceptor>,
        users: BTreeMap<String, String>,
        headers: &[(&'static str, String)],
        rate: Option<(Duration, u32)>,
    ) -> Self {
        let header = |(name, value): &(&str, String)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        };
        let secret: [u8; 32] = rand::random();
        let bucket = |(interval, burst): (Duration, u32)| {
            Mutex::new(Bucket { interval, burst, tokens: f64::from(burst), filled: Instant::now() })
        };
        Self {
            tls,
            users,
            headers: headers.iter().filter_map(header).collect(),
            rate: rate.map(bucket),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            checked: Mutex::default(),
            checking: Arc::new(Semaphore::new(1)),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    pub(super) fn add_headers(&self, response: &mut Response) {
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }

    /// `Err` is the response that refuses the request.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<(), Response> {
        let allowed = self.rate.as_ref().is_none_or(|bucket| bucket.lock().take(Instant::now()));
        if !allowed {
            return Err(text(StatusCode::TOO_MANY_REQUESTS, "Too many requests; try again later.\n"));
        }
        if self.users.is_empty() {
            return Ok(());
        }
        let Some((user, password)) = credentials(headers) else { return Err(unauthorized()) };
        if self.has_password(user, password).await? { Ok(()) } else { Err(unauthorized()) }
    }

    async fn has_password(&self, user: String, password: Vec<u8>) -> Result<bool, Response> {
        let own = self.users.get(&user);
        let hash = own.map_or_else(|| self.hash_of_unknown(&user), String::clone);
        let mut digest = hmac::Context::with_key(&self.key);
        for part in [user.as_bytes(), hash.as_bytes(), &password] {
            digest.update(&part.len().to_be_bytes());
            digest.update(part);
        }
        let digest = digest.sign();
        let checked = || self.checked.lock();
        if own.is_some() && checked().get(&user).is_some_and(|right| right.as_ref() == digest.as_ref()) {
            return Ok(true);
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(busy("Too many password checks at once; try again later.\n", 5));
        };
        let Ok(turn) = Arc::clone(&self.checking).acquire_owned().await else { return Ok(false) };
        let check = move || {
            // The permit moves to the thread: when a client disconnects, the next check still waits for this one.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        };
        let right = tokio::task::spawn_blocking(check).await.unwrap_or(false) && own.is_some();
        if right {
            checked().insert(user, digest);
        }
        Ok(right)
    }

    /// Has the cost of a real hash and is constant per name, so that timing does not reveal which users exist.
    fn hash_of_unknown(&self, user: &str) -> String {
        let tag = hmac::sign(&self.key, user.as_bytes());
        let number = tag.as_ref().iter().take(4).fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        self.users.values().nth(number % self.users.len().max(1)).map_or_else(|| NO_PASSWORD.to_owned(), String::clone)
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled);
        self.filled = now;
        self.tokens = (self.tokens + since.as_secs_f64() / self.interval.as_secs_f64()).min(f64::from(self.burst));
        let available = self.tokens >= 1.0;
        if available {
            self.tokens -= 1.0;
        }
        available
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

fn unauthorized() -> Response {
    let response = text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
    with_header(response, header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn basic(text: &str) -> HeaderMap {
        headers(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)))
    }

    fn access(users: &[(&str, &str)]) -> Access {
        // The lowest bcrypt cost, for a fast test.
        let hashed = |(user, password): &(&str, &str)| ((*user).to_owned(), bcrypt::hash(password, 4).unwrap());
        Access::new(None, users.iter().map(hashed).collect(), &[], None)
    }

    async fn status(access: &Access, headers: &HeaderMap) -> u16 {
        access.admit(headers).await.map_or_else(|response| response.status().as_u16(), |()| 200)
    }

    #[tokio::test]
    async fn only_users_with_their_passwords_have_access() {
        let access = access(&[("prometheus", "a:b"), ("admin", "second")]);
        for _ in 0..2 {
            assert_eq!(status(&access, &basic("prometheus:a:b")).await, 200);
            assert_eq!(status(&access, &basic("admin:second")).await, 200);
            for wrong in ["prometheus:second", "admin:a:b", "unknown:second", "prometheus", "", ":", "admin:"] {
                assert_eq!(status(&access, &basic(wrong)).await, 401, "{wrong}");
            }
        }
        for wrong in ["Basic", "Basic !", "Bearer YTpi", "basic"] {
            assert_eq!(status(&access, &headers(wrong)).await, 401, "{wrong}");
        }
        assert_eq!(status(&access, &HeaderMap::new()).await, 401);
    }

    #[tokio::test]
    async fn wrong_passwords_and_unknown_users_cost_the_same_check_as_right_passwords() {
        let access = access(&[("prometheus", "right"), ("admin", "second")]);
        let turn = access.checking.clone().acquire_owned().await.unwrap();
        for credentials in ["prometheus:right", "prometheus:wrong", "unknown:right", "unknown:wrong", "admin:"] {
            let response = status(&access, &basic(credentials)).now_or_never();
            assert_eq!(response, None, "{credentials} has a response without a check");
        }
        drop(turn);
        assert_eq!(status(&access, &basic("unknown:right")).await, 401);
        for number in 0..20 {
            let name = format!("unknown{number}");
            let hash = access.hash_of_unknown(&name);
            assert!(access.users.values().any(|own| *own == hash), "the cost is that of a user's hash");
            assert_eq!(access.hash_of_unknown(&name), hash, "the hash is the same each time");
        }
    }

    #[tokio::test]
    async fn only_right_passwords_are_cached() {
        let access = access(&[("prometheus", "right")]);
        for number in 0..50 {
            assert_eq!(status(&access, &basic(&format!("prometheus:wrong{number}"))).await, 401);
            assert_eq!(status(&access, &basic(&format!("user{number}:right"))).await, 401);
        }
        assert!(access.checked.lock().is_empty());
        assert_eq!(status(&access, &basic("prometheus:right")).await, 200);
        assert_eq!(access.checked.lock().len(), 1);
    }

    #[tokio::test]
    async fn cached_passwords_do_not_wait_for_checks_of_wrong_passwords() {
        let access = access(&[("prometheus", "right")]);
        assert_eq!(status(&access, &basic("prometheus:right")).await, 200);
        let check = access.checking.clone().acquire_owned().await.unwrap();
        let places = access.waiting.acquire_many(u32::try_from(WAITING_MAX).unwrap()).await.unwrap();
        assert_eq!(status(&access, &basic("prometheus:wrong")).await, 503);
        assert_eq!(status(&access, &basic("prometheus:right")).await, 200);
        drop((check, places));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_above_the_rate_are_refused_until_time_has_passed() {
        let access = Access::new(None, BTreeMap::new(), &[], Some((Duration::from_secs(1), 2)));
        let none = HeaderMap::new();
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(status(&access, &none).await);
        }
        assert_eq!(seen, [200, 200, 429]);
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert_eq!(status(&access, &none).await, 200);
        assert_eq!(status(&access, &none).await, 429);
    }
}
