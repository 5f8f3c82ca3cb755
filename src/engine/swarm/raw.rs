//! Services and tasks as the manager sends them.
//!
//! The engine writes a container's health check under the key `Healthcheck`
//! (moby, `api/types/swarm/container.go`); bollard's model, made from Docker's
//! API description, reads it under `HealthCheck`. Go's reader takes either, so
//! writing works; on reading the health check would be lost, and with it every
//! comparison of specs. So these answers are parsed here, the key is
//! corrected, and only then are they converted to the model.

use std::{
    collections::HashMap,
    fmt, io,
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll},
};

use bollard::{BollardRequest, errors::Error as Bollard};
use bytes::Bytes;
use futures_util::{FutureExt, TryFutureExt, future::BoxFuture};
use http_body_util::{BodyExt, Limited};
use hyper::{
    Response,
    body::Incoming,
    rt::{Read, Write},
};
use hyper_util::{
    client::legacy::{Client, connect::Connection},
    rt::{TokioExecutor, TokioIo},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use super::bounded::{Bounded, LARGEST_ANSWER, is_stream};

type Answer = BoxFuture<'static, Result<(u16, Bytes), Bollard>>;

/// Reads answers of the engine without taking them for a model.
#[derive(Clone)]
pub(super) struct Raw(Arc<dyn Fn(BollardRequest) -> Answer + Send + Sync>);

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw")
    }
}

impl Raw {
    /// Through an unprotected port, `host:2375`.
    pub fn tcp(address: &str) -> Self {
        let address = address.to_owned();
        Raw::through(Opener(move || {
            TcpStream::connect(address.clone()).map_ok(TokioIo::new).boxed()
        }))
    }

    fn through<O, S>(opener: Opener<O>) -> Self
    where
        O: Fn() -> BoxFuture<'static, io::Result<TokioIo<S>>> + Clone + Send + Sync + 'static,
        TokioIo<S>: Connection + Read + Write + Unpin + Send + 'static,
    {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(opener);
        Raw::new(move |request| client.request(request).map(|answer| answer.map_err(Into::into)))
    }

    /// Through whatever answers requests.
    pub fn new<F>(send: impl Fn(BollardRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Response<Incoming>, Bollard>> + Send + 'static,
    {
        Raw(Arc::new(move |request| {
            let answer = send(request);
            async move {
                let (head, body) = answer.await?.into_parts();
                let body = Limited::new(body, LARGEST_ANSWER as usize).collect().await;
                let body = body.map_err(|e| Bollard::from(io::Error::other(e)))?;
                Ok((head.status.as_u16(), body.to_bytes()))
            }
            .boxed()
        }))
    }

    /// The answer to GET `/path?query`.
    pub async fn get<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, Bollard> {
        let mut request = BollardRequest::new(bollard::body_full(Bytes::new()));
        let uri = format!("http://docker{path_and_query}");
        *request.uri_mut() = uri.parse().map_err(|e| Bollard::from(io::Error::other(e)))?;
        let (status, body) = (self.0)(request).await?;
        let mut value: Value = match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(_) if status >= 400 => Value::Null,
            Err(error) => return Err(error.into()),
        };
        if status >= 400 {
            let message = value["message"].as_str().map(str::to_owned);
            let message = message.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
            return Err(Bollard::DockerResponseServerError { status_code: status, message });
        }
        put_right(&mut value);
        Ok(serde_json::from_value(value)?)
    }
}

/// Sends requests through a socket of this machine, for bollard and for
/// [`Raw`]. Redirects are not followed.
pub(super) fn unix(
    path: &str,
) -> impl Fn(BollardRequest) -> BoxFuture<'static, Result<Response<Incoming>, Bollard>> + Clone + use<>
{
    let client = |most: u64| {
        let path = PathBuf::from(path);
        let open = move || {
            let opening = UnixStream::connect(path.clone());
            opening.map_ok(move |stream| TokioIo::new(Bounded::new(stream, most))).boxed()
        };
        Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(Opener(open))
    };
    let (streams, answers) = (client(u64::MAX), client(LARGEST_ANSWER));
    move |request| {
        let client = if is_stream(request.uri().path()) { &streams } else { &answers };
        client.request(request).map(|answer| answer.map_err(Into::into)).boxed()
    }
}

/// Docker's filters, in the form for a query.
pub(super) fn filters(filters: &HashMap<String, Vec<String>>) -> String {
    let json = serde_json::json!(filters).to_string();
    url::form_urlencoded::byte_serialize(json.as_bytes()).collect()
}

/// Renames the health check in every container's spec of an answer.
fn put_right(answer: &mut Value) {
    match answer {
        Value::Array(all) => all.iter_mut().for_each(put_right),
        one => {
            for pointer in [
                "/Spec/TaskTemplate/ContainerSpec",
                "/PreviousSpec/TaskTemplate/ContainerSpec",
                "/Spec/ContainerSpec",
            ] {
                let Some(Value::Object(container)) = one.pointer_mut(pointer) else { continue };
                if let Some(check) = container.remove("Healthcheck") {
                    container.insert("HealthCheck".into(), check);
                }
            }
        }
    }
}

/// Opens a connection anew for each call, as that costs nothing.
#[derive(Clone)]
pub(super) struct Opener<O>(pub O);

impl<O, S, Uri> tower_service::Service<Uri> for Opener<O>
where
    O: Fn() -> BoxFuture<'static, io::Result<TokioIo<S>>>,
{
    type Response = TokioIo<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<S>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::api;

    #[test]
    fn a_health_check_is_read_back() {
        let container = json!({"Image": "x", "Healthcheck": {"Test": ["CMD", "true"]}});
        let mut service = json!([{"Spec": {"TaskTemplate": {"ContainerSpec": container.clone()}}}]);
        put_right(&mut service);
        let services: Vec<api::Service> = serde_json::from_value(service).unwrap();
        let template = services[0].spec.as_ref().unwrap().task_template.as_ref().unwrap();
        assert!(template.container_spec.as_ref().unwrap().health_check.is_some());

        let mut task = json!({"Spec": {"ContainerSpec": container}});
        put_right(&mut task);
        let task: api::Task = serde_json::from_value(task).unwrap();
        assert!(task.spec.unwrap().container_spec.unwrap().health_check.is_some());
    }
}
