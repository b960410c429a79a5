//! A box that sleeps: the time since boot goes on, timers do not. Overdue work is done at once, no old reading counts as fresh, and no
//! energy is held as a jump.

use super::*;
use crate::heartbeat::BEAT_EVERY;
use crate::ledger::Figure;
use crate::simulator::UnitFault;

const NIGHT: Duration = Duration::from_secs(8 * 3600);
const POLL_EVERY: Duration = Duration::from_secs(180);

/// Sets the register to what a load of 3 kW has consumed since boot.
fn count(it: &Site) {
    show(&it.sauna, 3000.0, (100.0 + 3.0 * it.clock.now().since_boot.as_secs_f64() / 3600.0) as f32);
}

/// Lets time pass while the load consumes.
async fn pass(it: &Site, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        count(it);
        sleep(Duration::from_secs(1)).await;
    }
}

/// A site whose meter is polled every three minutes.
async fn site() -> (Site, Daemon) {
    let mut it = Site::new("http://127.0.0.1:1/v1");
    it.config.meters.get_mut(&name("sauna")).unwrap().poll_every = POLL_EVERY;
    count(&it);
    let daemon = it.start().await;
    (it, daemon)
}

fn meter(daemon: &Daemon) -> crate::status::MeterStatus {
    daemon.sources.document().meters[&name("sauna")].clone()
}

async fn figure(daemon: &Daemon) -> Figure {
    daemon.ledger.figures(vec![name("sauna")]).await.unwrap().remove(0).1
}

#[tokio::test(start_paused = true)]
async fn after_sleep_it_polls_at_once_and_counts_all_energy_of_the_sleep() {
    let (it, daemon) = site().await;
    pass(&it, 10 * POLL_EVERY + MINUTE).await;
    let before = meter(&daemon);
    assert!(matches!(figure(&daemon).await, Figure::Ready { .. }));
    it.clock.sleep_for(NIGHT);
    count(&it);
    assert_eq!(meter(&daemon).state, MeterState::Stale, "at once, whatever the timers say");
    assert!(!daemon.sources.document().well);
    let Figure::Waiting(why) = figure(&daemon).await else { panic!("what is a night old is not reported") };
    assert!(why.to_string().contains("was last read 8h"), "{why}");
    pass(&it, BEAT_EVERY + Duration::from_secs(2)).await;
    let woken = meter(&daemon);
    assert!(woken.polls > before.polls && woken.failures == 0, "it did not wait for {POLL_EVERY:?}");
    // As after any outage: all energy counts once the readings of a minute agree.
    pass(&it, MINUTE + Duration::from_secs(20)).await;
    let after = meter(&daemon);
    assert_eq!((after.state, after.verdict.as_deref()), (MeterState::Ok, Some("advanced")));
    let night = after.published_mwh.unwrap().get() - before.published_mwh.unwrap().get();
    assert!((24_000_000..24_500_000).contains(&night), "{night} mWh of 3 kW");
    assert!(matches!(figure(&daemon).await, Figure::Ready { .. }));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_advance_beyond_max_power_is_held_also_after_sleep() {
    let (it, daemon) = site().await;
    pass(&it, 10 * POLL_EVERY + MINUTE).await;
    let before = meter(&daemon);
    it.clock.sleep_for(NIGHT);
    // More than 20 kW for a night.
    show(&it.sauna, 3000.0, 100.0 + 300.0);
    sleep(5 * MINUTE).await;
    let after = meter(&daemon);
    assert_eq!((after.state, after.published_mwh), (MeterState::Held, before.published_mwh), "{after:?}");
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reports_are_due_by_the_time_since_boot() {
    let (it, daemon) = site().await;
    // The number of attempted calls. The endpoint refuses them all.
    let tried = || daemon.sources.document().accounts[&name("main")].calls;
    pass(&it, 10 * POLL_EVERY + MINUTE).await;
    let before = tried();
    // Each wait ends before the next slot, so that the reading stays fresh.
    for _ in 0..30 {
        it.clock.sleep_for(2 * MINUTE);
        pass(&it, 2 * BEAT_EVERY).await;
    }
    assert!(tried() - before >= 25, "{} calls in an hour of which the timers saw five minutes", tried() - before);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_meter_is_stale_after_three_polls_is_not_reported_and_recovers() {
    let it = Site::new("http://127.0.0.1:1/v1");
    let daemon = it.start().await;
    sleep(5 * MINUTE).await;
    assert_eq!(meter(&daemon).state, MeterState::Ok);
    it.sauna.fault(UnitFault::Silent);
    // The meter is polled every ten seconds, so a minute is longer than three polls.
    sleep(Duration::from_secs(48)).await;
    assert_eq!(meter(&daemon).state, MeterState::Failing, "not answering, and still fresh");
    assert!(matches!(figure(&daemon).await, Figure::Ready { .. }));
    sleep(Duration::from_secs(14)).await;
    assert_eq!(meter(&daemon).state, MeterState::Stale);
    assert!(!daemon.sources.document().well, "which `status` turns into exit code 1");
    let Figure::Waiting(why) = figure(&daemon).await else { panic!("it is not reported") };
    assert!(why.to_string().contains("sauna was last read 1m"), "{why}");
    sleep(MINUTE * 60).await;
    it.sauna.clear_fault();
    let back = Instant::now();
    while meter(&daemon).state != MeterState::Ok {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(back.elapsed() <= MINUTE + Duration::from_secs(2), "{:?}", back.elapsed());
    assert!(matches!(figure(&daemon).await, Figure::Ready { .. }));
    daemon.stop().await;
}
