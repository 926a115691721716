//! Each file in `config/` is accepted, with all its keys.

use std::process::Command;

#[test]
fn each_is_accepted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let output = Command::new(env!("CARGO_BIN_EXE_liwatch"))
            .arg("check")
            .arg(&path)
            .output()
            .expect("liwatch starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", path.display());
        seen += 1;
    }
    assert!(seen >= 2, "only {seen} examples");
}
