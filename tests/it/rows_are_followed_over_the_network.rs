//! `replay --serve` and `tail http://…`: the rows as they are stored, to the end of the run, to whoever
//! asks, and without a word from the run's clients reaching the run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use liwatch::pipeline::Sink;
use liwatch::serve::Server;
use liwatch::store::{Recorder, StoreOptions};

use crate::stored_runs::{ledger, plan, row};

fn liwatch(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liwatch"));
    command.current_dir(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A recording of five seconds.
fn recording(folder: &Path) {
    let simulate =
        ["simulate", "--out", "m.npy", "--frames", "200", "--size", "256", "--frame-rate", "40"];
    let simulated = liwatch(folder, &simulate).output().expect("liwatch starts");
    assert!(simulated.status.success(), "{}", told(&simulated));
}

/// A replay of it at its own pace that serves its rows, and where.
fn served(folder: &Path) -> (Child, SocketAddr, BufReader<ChildStderr>) {
    let replay = ["replay", "m.npy", "--config", "m.toml", "--out", "r.h5", "--force", "--json"];
    let mut run = liwatch(folder, &replay)
        .args(["--speed", "realtime", "--serve", "0"])
        .spawn()
        .expect("liwatch starts");
    let mut stderr = BufReader::new(run.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("the run tells where its rows are");
    let url = line.trim().strip_prefix("rows at http://").expect("an address is told first");
    let address = url.strip_suffix("/rows").and_then(|address| address.parse().ok());
    (run, address.expect("an address and a port"), stderr)
}

/// The run has begun to store its rows.
fn wait_for_journal(folder: &Path) {
    let started = Instant::now();
    while !folder.join("r.h5.journal").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "no journal in 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a request as it stands and returns the whole answer.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server takes connections");
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}

#[test]
fn by_tail_exactly_as_they_are_stored() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    recording(at);
    let (run, address, _stderr) = served(at);
    let url = format!("http://{address}");
    wait_for_journal(at);
    let beside = liwatch(at, &["tail", "r.h5"]).spawn().expect("liwatch starts");
    let early = liwatch(at, &["tail", &url]).spawn().expect("liwatch starts");
    std::thread::sleep(Duration::from_millis(1500));
    let late = liwatch(at, &["tail", &url, "--from", "150"]).spawn().expect("liwatch starts");
    let [run, beside, early, late] =
        [run, beside, early, late].map(|child| child.wait_with_output().expect("it ends"));
    assert!(run.status.success());
    for output in [&beside, &early, &late] {
        assert!(output.status.success(), "{}", told(output));
    }
    assert_eq!(String::from_utf8_lossy(&beside.stdout), String::from_utf8_lossy(&early.stdout));
    let lines = |output: &Output| -> Vec<serde_json::Value> {
        let lines = output.stdout.lines().map(|line| line.expect("tail prints text"));
        lines.map(|line| serde_json::from_str(&line).expect("each line is JSON")).collect()
    };
    let rows = |output: &Output| -> Vec<u64> {
        lines(output).iter().filter_map(|line| line["row"].as_u64()).collect()
    };
    // In the run file, too, an alarm stands behind the row that decided.
    let order = |output: &Output| -> Vec<(Option<u64>, Option<String>)> {
        let name = |line: &serde_json::Value| line["alarm"].as_str().map(str::to_owned);
        lines(output).iter().map(|line| (line["row"].as_u64(), name(line))).collect()
    };
    let finished = liwatch(at, &["tail", "r.h5"]).output().expect("liwatch starts");
    assert_eq!(order(&finished), order(&early));
    assert!(order(&early).iter().any(|(row, _)| row.is_none()), "no alarm was raised");
    assert_eq!(rows(&early), (0..200).collect::<Vec<_>>());
    assert_eq!(rows(&late), (150..200).collect::<Vec<_>>());
}

#[test]
fn and_a_run_that_is_cut_off_says_so_and_where_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let at = folder.path();
    recording(at);
    let (mut run, address, _stderr) = served(at);
    wait_for_journal(at);
    let url = format!("http://{address}/rows");
    let mut tail = liwatch(at, &["tail", &url]).spawn().expect("liwatch starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("stdout is piped")).lines();
    for _ in 0..20 {
        lines.next().expect("the run goes on").expect("tail prints text");
    }
    run.kill().expect("the run is killed");
    run.wait().expect("the run has ended");
    let more = lines.count();
    let tail = tail.wait_with_output().expect("tail ends by itself");
    assert_eq!(tail.status.code(), Some(1), "{}", told(&tail));
    let advice = format!("liwatch tail {url} --from ");
    assert!(told(&tail).contains(&advice), "after {} rows: {}", 20 + more, told(&tail));
}

#[test]
fn whoever_asks_for_something_else_is_told() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let run = folder.path().join("run.h5");
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), &run).expect("it starts");
    let url = server.url();
    let authority = url.trim_start_matches("http://").trim_end_matches("/rows");
    let address: SocketAddr = authority.parse().expect("an address and a port");
    let host = |request: &str| {
        format!("{request} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
    };
    let cases = [
        (host("GET /"), "200", "/rows?from=N"),
        (host("GET /rows"), "503", "has not begun"),
        (host("GET /rows?from=x"), "400", "/rows?from=N"),
        (host("GET /rows?to=3"), "400", "'to=3'"),
        (host("GET /nothing"), "404", "there is no /nothing here"),
        (host("DELETE /rows"), "405", "use GET"),
        (
            "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".into(),
            "403",
            "localhost",
        ),
        ("\u{1}\u{2}\r\n\r\n".into(), "400", ""),
    ];
    for (request, status, words) in cases {
        let answer = ask(address, &request);
        let told = answer.split_whitespace().nth(1).unwrap_or_default();
        assert_eq!(told, status, "{request:?}: {answer}");
        assert!(answer.contains(words), "{request:?}: {answer}");
    }
    let taken = Server::start(address, &run).err().expect("one server has one address");
    assert!(taken.to_string().contains("another address or port"), "{taken}");

    let at = folder.path();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let free = nobody.local_addr().expect("it has an address");
    drop(nobody);
    let cases = [
        (format!("http://{free}"), 1, "liwatch replay --serve"),
        (format!("http://{authority}/else"), 1, "404"),
        (format!("http://{authority}"), 1, "liwatch tail RUN.h5"),
        (format!("https://{authority}"), 2, "http and nothing else"),
        (format!("http://{authority}/rows?from=3"), 2, "--from"),
        ("http://".to_owned(), 2, "a run's URL is like"),
    ];
    for (url, status, words) in cases {
        let output = liwatch(at, &["tail", &url]).output().expect("liwatch starts");
        assert_eq!(output.status.code(), Some(status), "{url}: {}", told(&output));
        assert!(told(&output).contains(words), "{url}: {}", told(&output));
    }
}

/// Clients that ask for rows and take none, or that connect and ask for nothing: the run is stored as
/// fast as without them, and ends.
#[test]
fn and_clients_that_stall_hold_nothing_up() {
    const LINES: usize = 200;
    let folder = tempfile::tempdir().expect("a folder for the test");
    let run = folder.path().join("run.h5");
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), &run).expect("it starts");
    let mut recorder = Recorder::create(&run, &plan(LINES), false, StoreOptions::default())
        .expect("the run can begin");
    let authority = server.url().trim_start_matches("http://").trim_end_matches("/rows").to_owned();
    let stalled: Vec<TcpStream> = (0..40)
        .map(|client| {
            let mut stream = TcpStream::connect(&authority).expect("connections wait at worst");
            if client < 16 {
                let request = format!("GET /rows HTTP/1.1\r\nHost: {authority}\r\n\r\n");
                stream.write_all(request.as_bytes()).expect("the request is taken");
            }
            stream
        })
        .collect();
    let rows = 10_000;
    let mut took = Vec::new();
    for index in 0..rows {
        let row = row(index, LINES, 4);
        let before = Instant::now();
        recorder.row(&row).expect("the row is taken");
        took.push(before.elapsed());
    }
    let before = Instant::now();
    recorder.close(&ledger(rows)).expect("the run can be closed while clients have it");
    let close = before.elapsed();
    let before = Instant::now();
    drop(server);
    let end = before.elapsed();
    drop(stalled);
    took.sort();
    let p90 = took[took.len() * 9 / 10];
    println!("handing in {p90:?} (90 %); close {close:?}; end {end:?}");
    assert!(p90 < Duration::from_millis(1), "clients slowed the writer: {p90:?}");
    assert!(end < Duration::from_secs(5), "clients held up the end: {end:?}");
}

#[test]
fn and_what_is_no_row_does_not_reach_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("it has an address");
    let other = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("tail connects");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).expect("tail asks");
        let body = "{\"row\":7}\n\u{1b}[2J\n";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).expect("tail listens");
    });
    let url = format!("http://{address}");
    let tail = liwatch(folder.path(), &["tail", &url]).output().expect("liwatch starts");
    other.join().expect("the server has ended");
    assert_eq!(tail.status.code(), Some(1), "{}", told(&tail));
    assert_eq!(tail.stdout, b"{\"row\":7}\n");
    assert!(
        told(&tail).contains("are no rows") && told(&tail).contains("--from 7"),
        "{}",
        told(&tail)
    );
}
