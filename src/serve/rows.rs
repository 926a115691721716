//! The body of an answer that goes on as long as the run does. Its end tells how the run ended: a run
//! that was cut off breaks the connection off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc;

use super::follow;
use crate::store::{RunState, Tail};

/// Where no row comes for so long, an empty line does: who follows can tell a run in which nothing
/// happens from a machine that is gone.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Looks at the journal whose lines wait for the client.
const WAITING: usize = 2;

/// Lines on their way from the journal to one client.
pub(super) struct Rows {
    lines: mpsc::Receiver<io::Result<Bytes>>,
}

impl Rows {
    /// Reads the journal, on a thread of its own, as fast as the client takes the lines.
    pub fn of(tail: Tail, from: u64) -> Rows {
        let (sender, lines) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || read(tail, from, &sender));
        Rows { lines }
    }
}

fn read(tail: Tail, from: u64, client: &mpsc::Sender<io::Result<Bytes>>) {
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    let send = |bytes: Bytes| client.blocking_send(Ok(bytes)).map_err(|_| gone());
    let mut told = Instant::now();
    let ended = follow(tail, from, |lines| {
        let lines = match lines.is_empty() {
            false => Bytes::from(lines),
            true if client.is_closed() => return Err(gone()),
            true if told.elapsed() < SIGN_OF_LIFE => return Ok(()),
            true => Bytes::from_static(b"\n"),
        };
        told = Instant::now();
        send(lines)
    });
    let error = match ended {
        Ok(RunState::CutOff) => io::Error::other("the run was cut off"),
        Ok(_) => return,
        Err(error) => error,
    };
    // Nothing is lost where nobody takes it.
    let _ = client.blocking_send(Err(error));
}

impl Body for Rows {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.lines.poll_recv(context).map(|next| next.map(|lines| lines.map(Frame::data)))
    }
}
