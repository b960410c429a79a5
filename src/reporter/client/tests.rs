//! Every answer of the table, over a real connection to the simulated endpoint.

use std::num::NonZeroUsize;

use super::*;
use crate::config::{Batch, TokenSource};
use crate::reporter::rpc::{CallShape, ClientReport, ReportOutcome};
use crate::simulator::arkreen::{Arkreen, EndpointBehaviour, TestCertificate};
use crate::units::{ClientId, MilliwattHours, Milliwatts, Name};

mod hostile;

const LONG: Duration = Duration::from_secs(20);

fn token_text() -> String {
    format!("0x{}", "1f".repeat(32))
}

fn id(number: u64) -> ClientId {
    ClientId::parse(&format!("0x{number:064x}")).unwrap()
}

fn entry(number: u64) -> ClientReport {
    let name = Name::new(&format!("client_{number}")).unwrap();
    let energy = MilliwattHours::new(1000 + number).unwrap();
    ClientReport { id: number, client: name, client_id: id(number), power: Milliwatts(7), energy }
}

fn single() -> ReportCall {
    ReportCall::single(entry(1))
}

fn batch(count: u64) -> ReportCall {
    ReportCall { shape: CallShape::Batch, reports: (1..=count).map(entry).collect() }
}

fn account(url: Url, timeout: Duration) -> AccountConfig {
    AccountConfig {
        name: Name::new("main").unwrap(),
        url,
        token: TokenSource::File("/nowhere".into()),
        report_every: Duration::from_secs(120),
        batch: Batch::Auto,
        batch_max: NonZeroUsize::new(100).unwrap(),
        timeout,
        proxy: None,
        ca_file: None,
    }
}

fn credentials() -> Credentials {
    Credentials::new(&Token::parse(&token_text()).unwrap()).unwrap()
}

fn client(account: &AccountConfig) -> HttpClient {
    HttpClient::new(account, &HostLookup::new(1), Clock::system()).unwrap()
}

fn arkreen() -> Arkreen {
    Arkreen::start(&token_text(), (1..=3).map(id)).unwrap()
}

async fn call(arkreen: &Arkreen, call: &ReportCall) -> CallResult {
    client(&account(arkreen.url(), LONG)).call(call, &credentials()).await
}

async fn behaving(behaviour: EndpointBehaviour, what: &ReportCall) -> CallResult {
    let arkreen = arkreen();
    arkreen.behave(behaviour);
    let result = call(&arkreen, what).await;
    assert_eq!(arkreen.violations(), Vec::<String>::new());
    result
}

async fn failing(behaviour: EndpointBehaviour, what: &ReportCall) -> CallFailure {
    match behaving(behaviour, what).await {
        CallResult::Failed(failure) => failure,
        result => panic!("{result:?}"),
    }
}

async fn outcomes(behaviour: EndpointBehaviour, what: &ReportCall) -> Vec<ReportOutcome> {
    match behaving(behaviour, what).await {
        CallResult::Answered { outcomes, .. } => outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
        result => panic!("{result:?}"),
    }
}

const ACCEPTED: ReportOutcome = ReportOutcome::Accepted { odd: None };

#[tokio::test]
async fn reports_are_accepted_singly_and_in_batches() {
    let arkreen = arkreen();
    let client = client(&account(arkreen.url(), LONG));
    assert_eq!(client.call(&single(), &credentials()).await.accepted(&single()).len(), 1);
    assert_eq!(client.call(&batch(3), &credentials()).await.accepted(&batch(3)).len(), 3);
    assert_eq!(arkreen.energy(id(3)), Some(entry(3).energy));
    assert_eq!(arkreen.violations(), Vec::<String>::new());
    assert!(arkreen.calls()[1].batch && !arkreen.calls()[0].batch);
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let arkreen = arkreen();
    arkreen.set_energy(id(1), MilliwattHours::MAX);
    let calls = ReportCall { shape: CallShape::Batch, reports: vec![entry(1), entry(2), entry(9)] };
    let CallResult::Answered { outcomes, .. } = call(&arkreen, &calls).await else { panic!() };
    let codes: Vec<_> = outcomes
        .into_iter()
        .map(|(_, outcome)| match outcome {
            ReportOutcome::Refused { code, .. } => code,
            _ => None,
        })
        .collect();
    assert_eq!(codes, [Some(4003), None, Some(4002)]);
    arkreen.set_token(&format!("0x{}", "2".repeat(64)));
    for shape in [single(), batch(2)] {
        assert!(matches!(call(&arkreen, &shape).await, CallResult::Failed(CallFailure::Token(_))));
    }
}

#[tokio::test]
async fn invalid_answers_are_unintelligible() {
    let limit = ANSWER_LIMIT + 3 * ANSWER_LIMIT_PER_REPORT;
    for behaviour in [
        EndpointBehaviour::Html,
        EndpointBehaviour::Truncated,
        EndpointBehaviour::Huge(limit),
        EndpointBehaviour::Empty(204),
        EndpointBehaviour::Empty(200),
        EndpointBehaviour::Close,
        EndpointBehaviour::Raw { status: 200, body: "{\"jsonrpc\":\"2.0\",\"id\":1,".into() },
    ] {
        for what in [single(), batch(2)] {
            let failure = failing(behaviour.clone(), &what).await;
            assert!(matches!(failure, CallFailure::Unintelligible(_)), "{behaviour:?}: {failure:?}");
        }
    }
    assert!(matches!(failing(EndpointBehaviour::WrongId, &single()).await, CallFailure::Unintelligible(_)));
    assert_eq!(outcomes(EndpointBehaviour::WrongId, &batch(2)).await, [ReportOutcome::Missing, ReportOutcome::Missing]);
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_its_limit() {
    let failure = failing(EndpointBehaviour::Huge(50_000_000), &single()).await;
    assert_eq!(failure, CallFailure::Unintelligible("HTTP 200 with an answer that is too long".into()));
    let body = format!("{}{{\"id\":1,\"result\":\"OK\"}}", " ".repeat(60_000));
    assert_eq!(
        outcomes(EndpointBehaviour::Raw { status: 200, body }, &single()).await,
        [ACCEPTED],
        "long, but bearable"
    );
}

#[tokio::test]
async fn each_status_has_the_outcome_of_the_table() {
    let limited =
        |retry_after: Option<&str>| EndpointBehaviour::RateLimited { retry_after: retry_after.map(Into::into) };
    let wait = |seconds| CallFailure::Wait(Some(Duration::from_secs(seconds)), "HTTP 429".into());
    assert_eq!(failing(limited(Some("7")), &single()).await, wait(7));
    assert_eq!(failing(limited(Some("Fri, 31 Dec 2500 23:59:59 GMT")), &single()).await, wait(3600));
    assert_eq!(failing(limited(None), &single()).await, CallFailure::Wait(None, "HTTP 429".into()));
    assert_eq!(failing(EndpointBehaviour::Status(500), &single()).await, CallFailure::Transient("HTTP 500".into()));
    assert_eq!(failing(EndpointBehaviour::Status(408), &single()).await, CallFailure::Transient("HTTP 408".into()));
    assert_eq!(failing(EndpointBehaviour::Status(403), &single()).await, CallFailure::Forbidden("HTTP 403".into()));
    assert_eq!(failing(EndpointBehaviour::Status(404), &single()).await, CallFailure::Rejected("HTTP 404".into()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (first, second) = (arkreen(), arkreen());
    first.behave(EndpointBehaviour::Redirect(second.url().into()));
    let result = call(&first, &single()).await;
    assert_eq!(result, CallResult::Failed(CallFailure::Redirected(format!("HTTP 307 to {}", second.url()))));
    assert_eq!(second.calls(), []);
}

#[tokio::test]
async fn errors_of_a_batch_and_of_its_entries_are_distinguished() {
    let error = |code| EndpointBehaviour::Error { status: 200, code, message: "no".into() };
    let refused = |code| ReportOutcome::Refused { code: Some(code), message: "no".into() };
    let batch_error = CallFailure::Batch { code: Some(-32600), message: "no".into() };
    assert_eq!(failing(error(-32600), &batch(2)).await, batch_error);
    assert_eq!(outcomes(error(-32600), &single()).await, [refused(-32600)]);
    let each = EndpointBehaviour::EntryErrors { code: 1, message: "no".into() };
    assert_eq!(outcomes(each, &batch(2)).await, [refused(1), refused(1)]);
    assert_eq!(outcomes(EndpointBehaviour::Partial(1), &batch(2)).await, [ACCEPTED, ReportOutcome::Missing]);
    assert_eq!(
        outcomes(EndpointBehaviour::Partial(0), &batch(2)).await,
        [ReportOutcome::Missing, ReportOutcome::Missing]
    );
    assert_eq!(outcomes(EndpointBehaviour::FirstOnly, &batch(2)).await, [ACCEPTED, ReportOutcome::Missing]);
}

/// The call does not wait for the name server, and the message names it.
#[tokio::test(start_paused = true)]
async fn a_name_server_that_hangs_is_named() {
    let (alive, ends) = std::sync::mpsc::channel::<()>();
    let ends = std::sync::Mutex::new(ends);
    let hosts = HostLookup::resolving_with(1, move |_| {
        let _ = ends.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let account = account("https://api.arkreen.example/v1".parse().unwrap(), Duration::from_millis(400));
    let client = HttpClient::new(&account, &hosts, Clock::system()).unwrap();
    let CallResult::Failed(CallFailure::Unreachable(why)) = client.call(&single(), &credentials()).await else {
        panic!("it is not reached")
    };
    assert!(why.contains("the name api.arkreen.example is not found within 300ms (the name server"), "{why}");
    drop(alive);
}

#[tokio::test]
async fn unusual_answers_are_tolerated_or_rejected() {
    assert_eq!(outcomes(EndpointBehaviour::TextId, &batch(2)).await, [ACCEPTED, ACCEPTED]);
    assert!(matches!(
        outcomes(EndpointBehaviour::OddResult, &single()).await[0],
        ReportOutcome::Accepted { odd: Some(_) }
    ));
    for behaviour in [EndpointBehaviour::Contradictory, EndpointBehaviour::Hollow] {
        let all = outcomes(behaviour, &batch(2)).await;
        assert!(all.iter().all(|outcome| matches!(outcome, ReportOutcome::Indeterminate(_))), "{all:?}");
    }
}

#[tokio::test]
async fn an_echoed_token_is_masked() {
    let failure = format!("{:?}", failing(EndpointBehaviour::EchoToken, &single()).await);
    assert!(failure.contains("(token)") && !failure.to_lowercase().contains("1f1f1f"), "{failure}");
    assert!(!format!("{:?}", credentials()).contains("1f1f1f"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_ends_at_the_timeout() {
    let each = Duration::from_secs(1);
    for behaviour in [EndpointBehaviour::Slow(Duration::from_secs(60)), EndpointBehaviour::Trickle(each)] {
        let arkreen = arkreen();
        arkreen.behave(behaviour.clone());
        let client = client(&account(arkreen.url(), LONG));
        assert_eq!(
            client.call(&single(), &credentials()).await,
            CallResult::Failed(CallFailure::TimedOut),
            "{behaviour:?}"
        );
        assert!(
            client.call(&single(), &credentials()).await.accepted(&single()).len() == 1,
            "and the next one is well"
        );
        assert_eq!(arkreen.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = client(&account(Url::parse(&format!("http://127.0.0.1:{port}/v1")).unwrap(), LONG));
    let CallResult::Failed(CallFailure::Unreachable(why)) = client.call(&single(), &credentials()).await else {
        panic!()
    };
    assert!(why.contains("refused"), "{why}");
}

/// A call over TLS to `localhost` with this certificate, trusting its authority or another one.
async fn over_tls(certificate: TestCertificate, trusted: bool) -> (CallResult, Clock) {
    let (arkreen, authority) = Arkreen::start_tls(&token_text(), [id(1)], certificate);
    let (_other, another_authority) = Arkreen::start_tls(&token_text(), [id(1)], certificate);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, if trusted { authority } else { another_authority }).unwrap();
    let clock = Clock::system();
    let account = AccountConfig { ca_file: Some(path), ..account(arkreen.url(), LONG) };
    let result =
        HttpClient::new(&account, &HostLookup::new(1), clock.clone()).unwrap().call(&single(), &credentials()).await;
    (result, clock)
}

const GOOD: TestCertificate = TestCertificate { name: "localhost", until_year: 2500 };

#[tokio::test]
async fn a_report_over_tls_is_accepted_and_confirms_the_clock() {
    let (result, clock) = over_tls(GOOD, true).await;
    assert_eq!(result.accepted(&single()).len(), 1, "{result:?}");
    assert!(clock.now().trusted, "a Date came over verified TLS");
}

#[tokio::test]
async fn a_date_over_plain_http_does_not_confirm_the_clock() {
    let (arkreen, clock) = (arkreen(), Clock::system());
    let before = clock.now().trusted;
    let client = HttpClient::new(&account(arkreen.url(), LONG), &HostLookup::new(1), clock.clone()).unwrap();
    assert_eq!(client.call(&single(), &credentials()).await.accepted(&single()).len(), 1);
    assert_eq!(clock.now().trusted, before);
}

#[test]
fn a_clock_that_differs_from_the_endpoints_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = tracing_subscriber::fmt().with_writer(Arc::new(std::fs::File::create(&path).unwrap())).finish();
    let client = client(&account(Url::parse("https://localhost/v1").unwrap(), LONG));
    tracing::subscriber::with_default(log, || {
        for behind in [0, 10, 10, 0, -125] {
            let date = Clock::system().now().wall + SignedDuration::from_mins(behind);
            let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            client.note_date(&HeaderMap::from_iter([(DATE, HeaderValue::from_str(&date).unwrap())]));
        }
    });
    let log = std::fs::read_to_string(path).unwrap();
    let order = ["is 10m behind the endpoint's: allow NTP", "agrees with the endpoint's again", "is 2h 5m ahead of"];
    let found = order.map(|words| log.find(words).unwrap_or_else(|| panic!("{words} is not in {log}")));
    assert!(found.is_sorted() && log.lines().count() == 3, "{log}");
}

#[tokio::test]
async fn an_untrusted_certificate_is_refused_with_a_remedy() {
    let rows = [
        (TestCertificate { name: "elsewhere.example", ..GOOD }, true, "host name in url"),
        (TestCertificate { until_year: 2001, ..GOOD }, true, "clock right"),
        (GOOD, false, "ca_file"),
    ];
    for (certificate, trusted, remedy) in rows {
        let (result, _) = over_tls(certificate, trusted).await;
        let CallResult::Failed(CallFailure::Unreachable(why)) = result else { panic!("{result:?}") };
        assert!(why.contains(remedy), "{why}");
    }
}

#[tokio::test]
async fn an_invalid_ca_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let url = Url::parse("https://localhost/v1").unwrap();
    let account = AccountConfig { ca_file: Some(path.clone()), ..account(url.clone(), LONG) };
    assert!(matches!(
        HttpClient::new(&account, &HostLookup::new(1), Clock::system()),
        Err(HttpClientError::Certificates { .. })
    ));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(matches!(
        HttpClient::new(&account, &HostLookup::new(1), Clock::system()),
        Err(HttpClientError::NoCertificate(_))
    ));
}

#[tokio::test]
async fn built_in_authorities_are_used_if_the_system_has_none() {
    let account = account(Url::parse("https://localhost/v1").unwrap(), LONG);
    assert!(builder(&account, &HostLookup::new(1)).is_ok());
    public_roots(&account, &HostLookup::new(1)).unwrap();
}

#[tokio::test]
async fn the_proxy_of_an_account_is_used() {
    let proxy = arkreen();
    let account =
        AccountConfig { proxy: Some(proxy.url()), ..account(Url::parse("http://127.0.0.1:1/v1").unwrap(), LONG) };
    client(&account).call(&single(), &credentials()).await;
    assert_eq!(proxy.calls().len(), 1);
}
