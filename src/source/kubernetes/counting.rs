//! Counts the requests to the API server.

use std::task::{Context, Poll};

use futures_util::{FutureExt, future::BoxFuture};
use hyper::{Request, Response};
use tower::Service;

/// Calls `count` with the verb and the status code of each request; the code of a request without a response is `error`.
#[derive(Clone)]
pub(super) struct Counting<S, C> {
    pub(super) inner: S,
    pub(super) count: C,
}

impl<S, C, B, R> Service<Request<B>> for Counting<S, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    C: Fn(&str, &str) + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // kube sets it, with `_metadata` where only that is requested. Permissions name a replacement an update.
        let verb = match request.extensions().get::<&str>() {
            Some(&"replace") => "update",
            Some(verb) => verb.trim_end_matches("_metadata"),
            None => "other",
        };
        let count = self.count.clone();
        self.inner
            .call(request)
            .inspect(move |response| {
                let status = response.as_ref().map(Response::status);
                count(verb, status.as_ref().map_or("error", |status| status.as_str()));
            })
            .boxed()
    }
}
