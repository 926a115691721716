//! The command line: one file a command.

mod check;
mod corrected;
mod demo;
mod inspect;
mod raw_frames;
mod recover;
mod replay;
mod report;
mod simulate;
mod suggest;
mod tail;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Watches lithium cells in the electron microscope: drift, lithium front, crack opening, bias and
/// current on one time axis, and the alarm before the short.
#[derive(Parser)]
#[command(name = "liwatch", version, propagate_version = true)]
#[command(after_help = "Example: liwatch demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// More words on stderr (-v, -vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Replay(replay::Args),
    Inspect(inspect::Args),
    Check(check::Args),
    Suggest(suggest::Args),
    Simulate(simulate::Args),
    Report(report::Args),
    Tail(tail::Args),
    Recover(recover::Args),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example: liwatch completions bash > ~/.local/share/bash-completion/completions/liwatch"
    )]
    Completions {
        shell: clap_complete::Shell,
    },
}

/// What a command ends with, when it does not succeed.
enum Failure {
    /// A run that failed: exit status 1.
    Run(anyhow::Error),
    /// Arguments or configuration that cannot be used: exit status 2.
    Usage(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Run(error)
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command that the arguments ask for.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Suggest(args) => suggest::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Recover(args) => recover::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "liwatch", &mut script);
            print(String::from_utf8_lossy(&script));
            Ok(())
        }
    };
    let (status, error) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
    };
    tell(format_args!("error: {}", printable(&format!("{error:#}"))));
    ExitCode::from(status)
}

fn start_log(verbose: u8) {
    let usual = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LIWATCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// Text for a terminal: what a file says of itself may hold control characters, which could clear
/// the screen or worse. Lines and tabulators stay.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && !matches!(letter, '\n' | '\t') {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Prints a JSON object, the only thing on stdout.
fn print_json(value: &serde_json::Value) {
    print(format_args!("{value:#}\n"));
}

/// Prints on stdout. Whoever reads may stop when they have seen enough (`| head`): that is no
/// failure of the command, and what it does beside goes on.
fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell(format_args!("error: stdout cannot be written: {error}"));
        }
        _ => {}
    }
}

/// Prints a line on stderr, if there is somebody to read it.
fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_of_a_file_do_not_reach_the_terminal() {
        let text = super::printable("a.csv:2: holds '\u{1b}[2J\u{9b}31m\r'\n\tµ");
        assert_eq!(text, "a.csv:2: holds '\\u{1b}[2J\\u{9b}31m\\r'\n\tµ");
    }
}
