//! The command line: one file a command.

pub mod inspect;

/// Runs the command that the arguments ask for.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
