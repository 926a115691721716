//! Exit statuses and messages for wrong arguments, configurations and files.

use std::process::{Command, Output};

fn liwatch(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liwatch"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("liwatch starts")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_mistake_has_its_status_and_advice() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let write = |name: &str, text: &str| std::fs::write(at.join(name), text).unwrap();
    assert!(
        liwatch(at, &["simulate", "--out", "m.npy", "--frames", "3", "--size", "256"])
            .status
            .success()
    );
    write("key.toml", "[drift]\nmax_shift = 3\n");
    write("rule.toml", "[[alarm]]\nname = \"a\"\nwhen = \"anod.gap < 1.0\"\n");
    write(
        "region.toml",
        "[[gauge]]\nkind = \"front\"\nname = \"a\"\nregion = [0, 0, 900, 100]\ngrows = \"right\"\nlithium = \"dark\"\n",
    );
    write("log.csv", "time/s,foo,bar\n1,2,3\n2,3,4\n");
    write("short.npy", "\u{1}");
    let mistakes: [(&[&str], i32, &[&str]); 9] = [
        (&["replya", "m.npy"], 2, &["replay"]),
        (&["replay", "m.npy", "--oot", "x.h5"], 2, &["--out"]),
        (&["check", "key.toml"], 2, &["key.toml:2", "did you mean 'max_shift_px'"]),
        (&["check", "rule.toml"], 2, &["anod"]),
        (&["check", "region.toml", "--recording", "m.npy"], 2, &["region.toml:4", "256 x 256"]),
        (&["replay", "m.npy", "--config", "region.toml", "--out", "x.h5"], 2, &["region.toml:4"]),
        (
            &["replay", "m.npy", "--cell", "log.csv", "--out", "x.h5"],
            1,
            &["log.csv:1", "cell.voltage"],
        ),
        (&["replay", "none.tif", "--out", "x.h5"], 1, &["none.tif"]),
        (&["replay", "short.npy", "--out", "x.h5"], 1, &["short.npy", "not a recording"]),
    ];
    for (arguments, status, words) in mistakes {
        let output = liwatch(at, arguments);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}");
        for word in words {
            assert!(told.contains(word), "{arguments:?} does not tell '{word}': {told}");
        }
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
    assert!(liwatch(at, &["check", "m.toml", "--recording", "m.npy"]).status.success());
    assert!(liwatch(at, &["replay", "m.npy", "--out", "x.h5"]).status.success(), "drift alone");
    let again = liwatch(at, &["replay", "m.npy", "--out", "x.h5"]);
    assert_eq!(again.status.code(), Some(2), "a run was overwritten: {}", told(&again));
    assert!(liwatch(at, &["completions", "bash"]).stdout.len() > 1000, "no completions");
}

#[test]
fn a_recording_that_was_cut_short_is_measured_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(
        liwatch(at, &["simulate", "--out", "m.npy", "--frames", "12", "--size", "256"])
            .status
            .success()
    );
    let whole = std::fs::read(at.join("m.npy")).unwrap();
    std::fs::write(at.join("m.npy"), &whole[..128 + 9 * 256 * 256 * 2 + 1000]).unwrap();
    let output = liwatch(at, &["replay", "m.npy", "--config", "m.toml", "--out", "x.h5", "--json"]);
    assert!(output.status.success(), "{}", told(&output));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["frames"]["measured"], 9, "{run:#}");
    assert_eq!(run["frames"]["corrupt"], 3, "{run:#}");
    assert_eq!(run["frames"]["received"], 12, "{run:#}");
    assert!(told(&output).contains("cut short"), "{}", told(&output));
}
