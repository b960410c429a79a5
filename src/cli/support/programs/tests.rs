use super::*;

#[tokio::test]
async fn a_missing_a_failing_and_an_endless_program_are_all_reported() {
    assert!(
        output_of("/nowhere/journalctl", &[]).await.starts_with("not available: /nowhere/journalctl cannot be run")
    );
    assert_eq!(output_of("sh", &["-c", "echo so; exit 3"]).await, "so\n(sh ended with exit status: 3)");
    assert_eq!(output_of("yes", &[]).await.len(), MAX_SECTION + 1);
}
