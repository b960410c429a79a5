use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use tempfile::TempDir;

use super::*;

const LIMIT: u64 = 1 << 10;

/// A file's name, and its messages for reading and for writing.
type Kind = (&'static str, Option<&'static str>, Option<&'static str>);

/// A folder with one of each kind of file.
fn kinds() -> (TempDir, [Kind; 7]) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "content").unwrap();
    fs::write(at("twice"), "content").unwrap();
    fs::hard_link(at("twice"), at("again")).unwrap();
    symlink(at("file"), at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    drop(UnixListener::bind(at("socket")).unwrap());
    symlink("/dev/zero", at("zero")).unwrap();
    let (pipe, a_folder) = (Some("it is a pipe, not a regular file"), Some("it is a folder, not a file"));
    let link = Some("it is a symbolic link, not a regular file");
    let twice = Some("it has 2 names (hard links), and what is written to it would change in all of them");
    let kinds = [
        ("file", None, None),
        ("twice", None, twice),
        ("link", None, link),
        ("folder", a_folder, a_folder),
        ("pipe", pipe, pipe),
        ("zero", Some("it is a device, not a regular file"), link),
        // The system refuses to open a socket.
        ("socket", Some("No such device or address (os error 6)"), Some("it is a socket, not a regular file")),
    ];
    (folder, kinds)
}

#[test]
fn only_regular_files_are_read_and_opening_never_waits() {
    let (folder, kinds) = kinds();
    for (name, reading, _) in kinds {
        let outcome = read(&folder.path().join(name), LIMIT);
        assert_eq!(outcome.err().map(|error| error.to_string()).as_deref(), reading, "{name}");
    }
    assert_eq!(read(&folder.path().join("file"), LIMIT).unwrap().bytes, b"content");
}

#[test]
fn only_own_files_with_one_name_are_written() {
    let (folder, kinds) = kinds();
    for (name, _, writing) in kinds {
        let path = folder.path().join(name);
        let message = |outcome: Result<(), FileError>| outcome.err().map(|error| error.to_string());
        assert_eq!(message(open_own(&path, true).map(drop)).as_deref(), writing, "{name}");
        assert_eq!(message(check_own(&path)).as_deref(), writing, "{name}");
    }
    let new = folder.path().join("new");
    check_own(&new).unwrap();
    assert_eq!(open_own(&new, false).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(open_own(&new, true).unwrap().metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_file_of_another_user_is_not_written() {
    let (folder, _) = kinds();
    let path = folder.path().join("file");
    let metadata = fs::metadata(&path).unwrap();
    own(&metadata, &path).unwrap();
    // The file belongs neither to this user nor to the owner of /proc, unless they are the same.
    let foreign = fs::metadata("/proc/1/cmdline").unwrap();
    let ours = fs::metadata("/proc/self").unwrap().uid();
    if foreign.uid() != ours {
        assert!(matches!(own(&foreign, &path), Err(FileError::OtherOwner(_))));
    } else {
        std::os::unix::fs::chown(&path, Some(ours + 1), None).unwrap();
        assert!(matches!(open_own(&path, false), Err(FileError::OtherOwner(uid)) if uid == ours + 1));
    }
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (length, whole) in [(LIMIT, true), (LIMIT + 1, false), (LIMIT * 4096, false)] {
        File::create(&path).unwrap().set_len(length).unwrap();
        let outcome = read(&path, LIMIT).map(|content| content.bytes.len() as u64);
        match whole {
            true => assert_eq!(outcome.unwrap(), length),
            false => assert_eq!(outcome.unwrap_err().to_string(), "it is larger than 1 KiB"),
        }
    }
}

/// Opens that are no reading or writing of a file with a given name: devices, folders, what arkmeter itself has just created, /proc, and
/// commands of a person that may read from a pipe.
const OTHERWISE: [&str; 16] = [
    "src/cli/check/locks.rs",
    "src/cli/demo.rs",
    "src/cli/demo/site.rs",
    "src/cli/mod.rs",
    "src/cli/replay.rs",
    "src/cli/scan/write.rs",
    "src/cli/support.rs",
    "src/cli/support/system.rs",
    "src/files.rs",
    "src/ledger/store/backup.rs",
    "src/ledger/store/folder.rs",
    "src/ledger/store/mod.rs",
    "src/ledger/store/resize/build.rs",
    "src/modbus/connect.rs",
    "src/recorder/file.rs",
    "src/storage.rs",
];

#[test]
fn every_other_module_opens_files_here() {
    let opens = [
        " File::open(",
        "(File::open(",
        " File::create(",
        "OpenOptions::",
        "fs::read(",
        "fs::read_to_string(",
        "fs::write(",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The folder of the whole source may have any name.
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.contains("tests") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                if opens.iter().any(|open| code.contains(open)) {
                    found.push(name);
                }
            }
        }
    }
    found.sort();
    assert_eq!(found, OTHERWISE);
}
