//! The rows of a run over the network, as they are stored: `GET /rows?from=N` is a stream of JSON
//! lines ([`mod@line`]) that ends when the run does.
//!
//! Who listens costs the run nothing: each request reads the journal by itself, at the pace of its
//! reader, on threads that give way. What is sent is on the disk already.
//!
//! There is nothing here to change a run with. Where the server listens on the loopback interface
//! alone, it answers no name but that of this machine, so that no web page reads a run through a name
//! that it has made point here (DNS rebinding).

mod answer;
mod follow;
pub mod line;
mod rows;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::{Semaphore, oneshot};

use answer::Served;
pub use follow::follow;
pub use rows::SIGN_OF_LIFE;

use crate::pipeline::background;

/// Connections at a time; more wait until one ends. Each is a file that the run cannot open.
const CONNECTIONS: usize = 32;

/// How long a client may take to ask.
const PATIENCE_WITH_REQUEST: Duration = Duration::from_secs(10);

/// How long, after the run, those who follow it have to take its last rows.
const PATIENCE_AT_END: Duration = Duration::from_secs(2);

/// Why a run cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{address} cannot be listened on: {source}; give another address or port")]
    Address { address: SocketAddr, source: io::Error },
    #[error("no thread for the server: {0}")]
    Thread(io::Error),
}

/// Where to listen: `ADDRESS:PORT`, or a port alone, which means the loopback interface.
///
/// # Errors
/// What was expected.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse()).map_err(|_| {
        "expected a port, for this machine alone (6941), or an address and a port, for others too \
         (0.0.0.0:6941, [::]:6941)"
            .to_owned()
    })
}

/// Serves the rows of one run until it is dropped.
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address` (port 0: any that is free) for those who follow `run`, which may begin
    /// later.
    ///
    /// # Errors
    /// [`ServeError`], before anything has been served.
    pub fn start(address: SocketAddr, run: &Path) -> Result<Server, ServeError> {
        let failed = |source| ServeError::Address { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        if !bound.ip().is_loopback() {
            tracing::warn!("everyone who can reach {bound} can read this run");
        }
        let (end, ended) = oneshot::channel();
        let served = Served { run: PathBuf::from(run), loopback: bound.ip().is_loopback() };
        let serving = move || {
            background::call_thread(c"server");
            // The threads that it begins, to read journals, inherit this.
            background::give_way();
            if let Err(error) = serve(listener, served, ended) {
                tracing::warn!("rows are served no longer: {error}");
            }
        };
        let thread = std::thread::Builder::new().spawn(serving).map_err(ServeError::Thread)?;
        Ok(Server { address: bound, end: Some(end), thread: Some(thread) })
    }

    /// Where the rows are.
    pub fn url(&self) -> String {
        format!("http://{}/rows", self.address)
    }
}

impl Drop for Server {
    /// Whoever follows a run that has ended gets its last rows.
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: TcpListener, served: Served, ended: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CONNECTIONS)
        .build()?;
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (served, open) = (Arc::new(served), GracefulShutdown::new());
        tokio::select! {
            () = accept(&listener, &served, &open) => {}
            _ = ended => {}
        }
        if tokio::time::timeout(PATIENCE_AT_END, open.shutdown()).await.is_err() {
            tracing::info!("some who followed the run did not take its last rows");
        }
        Ok(())
    });
    // A journal's reader that waits for a client who takes nothing is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn accept(listener: &tokio::net::TcpListener, served: &Arc<Served>, open: &GracefulShutdown) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes the semaphore.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of one connection, or too many open files: either passes.
                tracing::info!("a connection was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let served = Arc::clone(served);
        let service = service_fn(move |request| {
            let answer = answer::to(&request, &served);
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE_WITH_REQUEST)
            .serve_connection(TokioIo::new(stream), service);
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(permit);
        });
    }
}
