//! Following a run over the network.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::Failure;
use crate::serve::SIGN_OF_LIFE;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of an answer that is no stream of rows, as much is shown.
const SHOWN_BYTES: usize = 2000;

/// No row is longer.
const LONGEST_LINE_BYTES: usize = 16 << 20;

/// Where a run is served.
pub struct Address {
    /// As it was given.
    url: String,
    authority: String,
    path: String,
}

impl Address {
    /// Takes a URL apart; without a path it means `/rows`.
    pub fn parse(url: &str) -> Result<Address, Failure> {
        let wrong = |what: &str| {
            Failure::Usage(anyhow!(
                "{url}: {what}; a run's URL is like http://microscope:6941/rows"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong("this is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("rows come over http and nothing else"));
        }
        if uri.query().is_some() {
            return Err(wrong("the first row to print is given by --from"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no host"))?;
        let path = if uri.path() == "/" { "/rows" } else { uri.path() };
        Ok(Address {
            url: url.to_owned(),
            authority: format!("{host}:{}", uri.port_u16().unwrap_or(80)),
            path: path.to_owned(),
        })
    }
}

/// Prints the rows from `from` on until the run ends.
///
/// # Errors
/// What the server, the network or `out` say, with the row from which to go on.
pub fn print(address: &Address, from: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no connections can be made")?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(PATIENCE, ask(address, from))
            .await
            .map_err(|_| anyhow!("no answer for {} s", PATIENCE.as_secs()))
            .flatten()
            .with_context(|| {
                format!("{}: is a run served there? (liwatch replay --serve)", address.url)
            })?;
        if answer.status() != StatusCode::OK {
            return Err(refused(address, answer).await);
        }
        let mut printed = Printed { from, unfinished: Vec::new() };
        match printed.all(answer.into_body(), out).await {
            Err(Ended::Network(why)) => Err(anyhow!(
                "{url}: {why}; the run may go on: liwatch tail {url} --from {}",
                printed.from,
                url = address.url
            )),
            Err(Ended::Output(error)) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    })
}

async fn ask(address: &Address, from: u64) -> anyhow::Result<Response<Incoming>> {
    let stream = TcpStream::connect(&address.authority).await.context("no connection")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("this is no HTTP server")?;
    // It ends with the answer's body, which tells why.
    tokio::spawn(connection);
    let request = Request::get(format!("{}?from={from}", address.path))
        .header(HOST, &address.authority)
        .body(http_body_util::Empty::<Bytes>::new())
        .context("the URL cannot be asked for")?;
    sender.send_request(request).await.context("no answer")
}

/// What a server says that does not serve rows.
async fn refused(address: &Address, answer: Response<Incoming>) -> anyhow::Error {
    let status = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), SHOWN_BYTES).collect();
    let said = tokio::time::timeout(PATIENCE, body).await;
    let said = match said {
        Ok(Ok(said)) => String::from_utf8_lossy(&said.to_bytes()).trim().to_owned(),
        _ => "(more than is shown here)".to_owned(),
    };
    anyhow!("{}: the server answers {status}: {said}", address.url)
}

/// Why no more rows come.
enum Ended {
    Network(String),
    Output(std::io::Error),
}

/// How far the rows are printed.
struct Printed {
    /// The row from which to go on: the last one that came, since its alarms may be missing.
    from: u64,
    /// The beginning of a line.
    unfinished: Vec<u8>,
}

impl Printed {
    async fn all(&mut self, mut rows: Incoming, out: &mut impl Write) -> Result<(), Ended> {
        let silence = 4 * SIGN_OF_LIFE;
        loop {
            let next = tokio::time::timeout(silence, rows.frame())
                .await
                .map_err(|_| Ended::Network(format!("nothing came for {} s", silence.as_secs())))?;
            let Some(frame) = next else { return Ok(()) };
            let frame = frame.map_err(|_| {
                Ended::Network("the run was cut off, or the connection to it".to_owned())
            })?;
            if let Ok(bytes) = frame.into_data() {
                self.lines(&bytes, out)?;
            }
            if self.unfinished.len() > LONGEST_LINE_BYTES {
                return Err(no_rows());
            }
        }
    }

    /// Prints whole lines, without those that only say that the run goes on. What is no JSON is not printed: it may
    /// be anything, and mean something to a terminal.
    fn lines(&mut self, bytes: &[u8], out: &mut impl Write) -> Result<(), Ended> {
        self.unfinished.extend_from_slice(bytes);
        let whole = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in self.unfinished[..whole].split_inclusive(|byte| *byte == b'\n') {
            if line == b"\n" {
                continue;
            }
            let Line { row } = serde_json::from_slice(line).map_err(|_| no_rows())?;
            out.write_all(line).map_err(Ended::Output)?;
            self.from = row.unwrap_or(self.from);
        }
        out.flush().map_err(Ended::Output)?;
        self.unfinished.drain(..whole);
        Ok(())
    }
}

/// Of a line, what is needed here; an alarm has no row.
#[derive(serde::Deserialize)]
struct Line {
    row: Option<u64>,
}

fn no_rows() -> Ended {
    Ended::Network("what comes from there are no rows".to_owned())
}
