use super::*;

#[test]
fn the_time_left_follows_from_the_part_that_is_done() {
    assert_eq!(time_left(Duration::from_secs(10), 0.25), ", 30s left");
    assert_eq!(time_left(Duration::from_secs(10), 1.0), ", 0s left");
}

#[test]
fn a_part_that_is_not_a_number_is_shown_as_nothing_done() {
    let progress = TerminalProgress::on_terminal();
    progress.show(f64::NAN, "unit 7");
    assert_eq!((progress.0.position(), progress.0.prefix()), (0, String::new()));
    progress.show(0.25, "unit 7");
    assert_eq!(progress.0.position(), 2500);
}
