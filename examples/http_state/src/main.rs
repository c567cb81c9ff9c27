//! An axum service whose state is owned by one task and lent to the handlers.
//!
//! The usual `Arc<Mutex<State>>` has no owner. Nothing knows when the last request is done, taking the state out at the
//! end is difficult, and a handler that panics poisons it. Here a task owns the state and lends it. A handler has `&mut
//! State` for as long as it needs, even across an `.await`. When the server has stopped, the owner has the state back.
//!
//! The example sends itself requests over loopback with a real HTTP client, then stops. Run with an argument, it does not stop:
//! `main` returns while a handler has the state across an `.await`, and the runtime, of one thread or of two workers, drops the
//! owner and the handlers in whatever order. That does not hang, because a dropped owner leaves the state to the last guard.
//!
//! Run in this directory: `cargo run`, `cargo run -- one`, `cargo run -- two`

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use ref_channel::notifier::WakerQueue;
use ref_channel::{RefMutBorrower, RefMutChannel, RefMutLender};
use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Stock {
    items: BTreeMap<String, u32>,
    requests: u32,
}

impl Drop for Stock {
    fn drop(&mut self) {
        println!("the state is freed, requests: {}", self.requests);
    }
}

/// A handler's access to the state. axum clones it for each request.
type Shared = RefMutBorrower<'static, Stock, WakerQueue>;

/// Owns the state and serves it until the server, and with it the last borrower, is gone.
async fn own(mut lender: RefMutLender<'_, Stock, WakerQueue>) -> Stock {
    lender.serve_owned(Stock::default()).await
}

async fn add(State(mut shared): State<Shared>, Path(item): Path<String>) -> Result<String, StatusCode> {
    // The guard returns the state when the handler finishes, panics, or is dropped because the client disconnected.
    let mut stock = shared.borrow().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    stock.requests += 1;
    let count = stock.items.get(&item).copied().unwrap_or(0);
    yield_now().await; // with shared access, this would lose updates
    stock.items.insert(item, count + 1);
    Ok((count + 1).to_string())
}

async fn count(State(mut shared): State<Shared>, Path(item): Path<String>) -> Result<String, StatusCode> {
    let mut stock = shared.borrow().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    stock.requests += 1;
    let count = stock.items.get(&item).ok_or(StatusCode::NOT_FOUND)?;
    Ok(count.to_string())
}

async fn crash(State(mut shared): State<Shared>) -> StatusCode {
    let _stock = shared.borrow().await;
    panic!("a bug in a handler, which has the state");
}

fn service(shared: Shared) -> Router {
    Router::new()
        .route("/items/{item}", get(count).post(add))
        .route("/crash", get(crash))
        .with_state(shared)
}

type Http = Client<HttpConnector, Body>;

/// The client: sends one request and returns the status and body of the response.
async fn send(client: Http, method: &'static str, url: String) -> Result<(StatusCode, String), Failure> {
    let request = Request::builder().method(method).uri(url).body(Body::empty())?;
    let response = client.request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

async fn drive(address: SocketAddr) -> Result<(), Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let url = |path: &str| format!("http://{address}{path}");

    let mut requests = JoinSet::new();
    for number in 0..40 {
        let path = if number % 4 == 0 { "/items/pear" } else { "/items/apple" };
        requests.spawn(send(client.clone(), "POST", url(path)));
    }
    for answer in requests.join_all().await {
        assert_eq!(answer?.0, StatusCode::OK);
    }
    println!(
        "GET /crash: failed: {}",
        send(client.clone(), "GET", url("/crash")).await.is_err()
    );
    for path in ["/items/apple", "/items/pear", "/items/plum"] {
        let (status, body) = send(client.clone(), "GET", url(path)).await?;
        println!("GET {path}: {} {body:?}", status.as_u16());
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let runtime = match std::env::args().nth(1).as_deref() {
        None => return Runtime::new()?.block_on(serve_until_shutdown()),
        Some("one") => Builder::new_current_thread().enable_io().build()?,
        Some("two") => Builder::new_multi_thread().worker_threads(2).enable_io().build()?,
        Some(other) => return Err(format!("not a number of threads: {other}").into()),
    };
    // The runtime is dropped as `main` returns, as under `#[tokio::main]`.
    runtime.block_on(serve_until_held())
}

/// Returns while one handler has the state, and others wait for it.
async fn serve_until_held() -> Result<(), Failure> {
    let (lender, shared) = RefMutChannel::new().into_split();
    tokio::spawn(own(lender));
    let (hold, mut held) = mpsc::channel(1);
    let hold_the_state = |State(mut shared): State<Shared>| async move {
        let mut stock = shared.borrow().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        stock.requests += 1;
        let _ = hold.send(()).await;
        pending::<Result<(), StatusCode>>().await // a request to another service, which does not answer
    };
    let service = Router::new().route("/hold", get(hold_the_state)).with_state(shared);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hold", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, service).into_future());
    let client = Client::builder(TokioExecutor::new()).build_http();
    for _ in 0..3 {
        tokio::spawn(send(client.clone(), "GET", url.clone()));
    }
    held.recv().await;
    println!("main returns, and the state is borrowed");
    Ok(())
}

async fn serve_until_shutdown() -> Result<(), Failure> {
    let (lender, shared) = RefMutChannel::new().into_split();
    let owner = tokio::spawn(own(lender));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, service(shared)).with_graceful_shutdown(async move { drop(stopped.await) });
    let server = tokio::spawn(server.into_future());

    drive(address).await?;
    drop(stop);
    server.await??;

    // No borrower is left, so the owner task is done and returns the state.
    let stock = owner.await?;
    println!("stopped after {} requests with {:?}", stock.requests, stock.items);
    assert_eq!(
        (stock.items["apple"], stock.items["pear"], stock.requests),
        (30, 10, 43)
    );
    Ok(())
}
