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

#[test]
fn a_simulation_of_all_that_goes_wrong_has_a_configuration_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let usual = ["simulate", "--out", "m.npy", "--frames", "6", "--size", "256"];
    let simulate = |more: &[&str]| liwatch(at, &[&usual, more].concat());
    let mistakes: [(&[&str], &str); 7] = [
        (&["--event", "flahs:1-2"], "did you mean 'flash'?"),
        (&["--event", "jump:1-2:xx=3"], "the keys are: x, y"),
        (&["--event", "blanked:6-8"], "ends with frame 5"),
        (&["--drift-velocity", "5"], "X,Y"),
        (&["--hot", "2"], "--hot is 2"),
        (&["--saturation", "50"], "more than --offset (100)"),
        (&["--specimen", "latice"], "lattice"),
    ];
    for (arguments, words) in mistakes {
        let output = simulate(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(words), "{arguments:?}: {}", told(&output));
    }
    let output = simulate(&[
        "--event=refocus:1-3:blur=1.5,magnification=1.01",
        "--event=jump:4-:x=4,y=-2",
        "--particles=4",
        "--front-cover=0.4",
        "--specimen=lattice",
        "--line-time-us=100",
        "--drift-velocity=-1,0.5",
        "--saturation=400",
        "--hot=0.001",
    ]);
    assert!(output.status.success(), "{}", told(&output));
    let checked = liwatch(at, &["check", "m.toml", "--recording", "m.npy"]);
    assert!(checked.status.success(), "{}", told(&checked));
    let truth = std::fs::read_to_string(at.join("m.truth.csv")).unwrap();
    assert!(
        truth.lines().next().is_some_and(|head| head.ends_with(",rotation_rad,scale,scene_frame"))
    );
    let row: Vec<&str> = truth.lines().nth(2).unwrap_or_default().split(',').collect();
    assert_eq!(row.get(10), Some(&"1.01000000"), "the scale of frame 1: {row:?}");
}
