use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn put(path: &Path, digit: &str) {
    // Like an operator: writes a new file and moves it into place.
    let new = path.with_extension("new");
    fs::write(&new, format!("0x{}\n", digit.repeat(64))).unwrap();
    fs::set_permissions(&new, Permissions::from_mode(0o640)).unwrap();
    fs::rename(new, path).unwrap();
}

fn keeper(path: &Path) -> TokenKeeper {
    TokenKeeper::new(TokenSource::File(path.to_owned()), None)
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_an_unchanged_one_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    put(&path, "1");
    let mut keeper = keeper(&path);
    assert_eq!(keeper.check().await, TokenCheck::New);
    assert_eq!(keeper.check().await, TokenCheck::Unchanged);
    put(&path, "1");
    assert_eq!(keeper.check().await, TokenCheck::Read);
    put(&path, "2");
    assert_eq!(keeper.check().await, TokenCheck::New);
    assert_eq!(keeper.token().unwrap().header_value(), format!("Bearer 0x{}", "2".repeat(64)));
}

#[tokio::test]
async fn an_unreadable_new_token_keeps_the_old_one_and_reports_the_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    put(&path, "1");
    let mut keeper = keeper(&path);
    keeper.check().await;
    fs::write(&path, "not a token").unwrap();
    assert_eq!(keeper.check().await, TokenCheck::Read);
    assert!(keeper.token().is_some());
    assert!(keeper.error().unwrap().contains("stays in use"), "{:?}", keeper.error());
    put(&path, "2");
    assert_eq!((keeper.check().await, keeper.error()), (TokenCheck::New, None));
}

#[tokio::test]
async fn a_missing_file_is_tried_again_and_a_corrected_mode_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mut keeper = keeper(&path);
    assert_eq!((keeper.check().await, keeper.token()), (TokenCheck::Read, None));
    assert!(keeper.error().unwrap().contains("no token file"));
    put(&path, "1");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!((keeper.check().await, keeper.token()), (TokenCheck::Read, None));
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert_eq!(keeper.check().await, TokenCheck::New);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_keeps_the_token_and_is_waited_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    put(&path, "1");
    let mut keeper = keeper(&path);
    assert_eq!(keeper.check().await, TokenCheck::New);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let source = keeper.source.clone();
    keeper.look = Some(keeper.thread.run(move || {
        let _ = released.recv();
        Looked::at(&source, None, None)
    }));
    let (check, ()) = tokio::join!(keeper.check(), tokio::time::advance(READ_WITHIN));
    assert_eq!(check, TokenCheck::Read);
    let error = keeper.error().unwrap();
    assert!(error.contains("its disk does not answer") && error.contains("stays in use"), "{error}");
    assert!(keeper.token().is_some());
    // Without a further wait: the paused clock stands still while a thread works.
    assert_eq!(keeper.check().await, TokenCheck::Unchanged);
    put(&path, "2");
    drop(release);
    while keeper.check().await != TokenCheck::New {
        tokio::task::yield_now().await;
    }
    assert_eq!(keeper.error(), None);
}
