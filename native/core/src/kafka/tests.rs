use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use super::scripted_broker::{Act, Brokers, PartitionWorld, batch, partition};
use super::{Beginning, Topic, TopicRequest};
use crate::gate::{Answer, Gate, Gatekeeper, Need};
use crate::{Client, ClientOptions, Error, Status};

/// Grants every host but these.
struct AllBut(HashSet<String>);

impl Gatekeeper for AllBut {
    fn ask(&self, need: Need) -> Answer {
        let granted = !matches!(need, Need::Net(host) if self.0.contains(&host));
        Box::pin(async move { granted })
    }
}

fn request(port: u16) -> TopicRequest {
    TopicRequest {
        host: "127.0.0.1".to_owned(),
        port,
        topic: "t".to_owned(),
        from: Beginning::Earliest,
        to_the_end: true,
        limit: None,
        partition: None,
        longest: 1000,
    }
}

fn client(stall: Duration) -> Arc<Client> {
    let options = ClientOptions {
        connect_timeout: Some(Duration::from_secs(20)),
        stall_timeout: Some(stall),
        ..ClientOptions::default()
    };
    Arc::new(Client::new(options).unwrap())
}

fn follow_within(stall: Duration, request: TopicRequest) -> Topic {
    Topic::follow(&client(stall), Some(stall), request)
}

fn follow(request: TopicRequest) -> Topic {
    follow_within(Duration::from_secs(20), request)
}

async fn behind_gate<T>(refused: &[&str], work: impl Future<Output = T>) -> T {
    let refused = refused.iter().map(|host| (*host).to_owned()).collect();
    Gate::new(Arc::new(AllBut(refused)), []).around(work).await
}

async fn open(request: TopicRequest) -> Topic {
    behind_gate(&[], async { follow(request) }).await
}

async fn all(topic: &mut Topic) -> Result<Vec<String>, Error> {
    let mut values = Vec::new();
    while let Some(value) = topic.next_value().await? {
        values.push(String::from_utf8(value.to_vec()).unwrap());
    }
    Ok(values)
}

/// Reads with a client that waits only so long.
async fn read_within(stall: Duration, request: TopicRequest) -> Result<Vec<String>, Error> {
    let mut topic = behind_gate(&[], async { follow_within(stall, request) }).await;
    all(&mut topic).await
}

async fn read(request: TopicRequest) -> Result<Vec<String>, Error> {
    all(&mut open(request).await).await
}

/// Those of one partition, in the order in which they came.
fn of<'a>(values: &'a [String], begin: &str) -> Vec<&'a str> {
    values.iter().map(String::as_str).filter(|value| value.starts_with(begin)).collect()
}

#[tokio::test]
async fn all_partitions_are_read_from_all_their_leaders() {
    let worlds =
        vec![partition(0, &[&["a1", "a2"], &["a3"]]), partition(1, &[&["b1"]]), partition(1, &[])];
    let brokers = Brokers::start(2, worlds).await;
    let values = read(request(brokers.ports[0])).await.unwrap();
    assert_eq!(values.len(), 4);
    assert_eq!(of(&values, "a"), ["a1", "a2", "a3"]);
    assert_eq!(of(&values, "b"), ["b1"]);
    let one = TopicRequest { partition: Some(1), ..request(brokers.ports[0]) };
    assert_eq!(read(one).await.unwrap(), ["b1"]);
    let none = TopicRequest { partition: Some(3), ..request(brokers.ports[0]) };
    let error = read(none).await.unwrap_err();
    assert_eq!(error.status, Status::NotFound);
    assert!(error.message.contains("3 partitions"), "{error}");
}

#[tokio::test]
async fn a_limit_ends_it_and_the_connections() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1", "2", "3"], &["4"]])]).await;
    let endless = TopicRequest { to_the_end: false, limit: Some(2), ..request(brokers.ports[0]) };
    assert_eq!(read(endless.clone()).await.unwrap(), ["1", "2"]);
    let mut topic = open(TopicRequest { limit: None, ..endless }).await;
    for expected in ["1", "2", "3", "4"] {
        assert_eq!(topic.next_value().await.unwrap().unwrap(), expected.as_bytes());
    }
    // Nothing more is there, and it waits.
    assert!(tokio::time::timeout(Duration::from_millis(100), topic.next_value()).await.is_err());
    brokers.change(|world| world.partitions[0].append(0, &["5"]));
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "5".as_bytes());
    drop(topic);
    while brokers.change(|world| world.open) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn futures_that_are_dropped_lose_nothing() {
    let values: Vec<String> = (0..500).map(|i| format!("{i}")).collect();
    let batches: Vec<Vec<&str>> =
        values.chunks(7).map(|chunk| chunk.iter().map(String::as_str).collect()).collect();
    let batches: Vec<&[&str]> = batches.iter().map(Vec::as_slice).collect();
    let mut world = partition(0, &batches);
    world.most = Some(300);
    let brokers = Brokers::start(1, vec![world]).await;
    let mut topic = open(request(brokers.ports[0])).await;
    let mut read = Vec::new();
    loop {
        match topic.next_value().now_or_never() {
            None => tokio::task::yield_now().await,
            Some(Ok(None)) => break,
            Some(value) => read.push(value.unwrap().unwrap()),
        }
    }
    assert!(read.iter().map(|value| value.as_ref()).eq(values.iter().map(String::as_bytes)));
}

#[tokio::test]
async fn a_leader_that_moves_costs_nothing() {
    let brokers = Brokers::start(2, vec![partition(0, &[&["1"], &["2"]])]).await;
    let endless = TopicRequest { to_the_end: false, ..request(brokers.ports[0]) };
    let mut topic = open(endless).await;
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "1".as_bytes());
    brokers.change(|world| {
        world.partitions[0].leader = 1;
        world.partitions[0].append(0, &["3", "4"]);
    });
    for expected in ["2", "3", "4"] {
        assert_eq!(topic.next_value().await.unwrap().unwrap(), expected.as_bytes());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again() {
    let mut world = partition(0, &[&["1"], &["2"], &["3"]]);
    world.most = Some(world.batches[0].1.len());
    let brokers = Brokers::start(1, vec![world]).await;
    brokers.change(|world| {
        let cuts = [Act::Answer, Act::Close, Act::CutAfter(9), Act::Answer, Act::CutAfter(100)];
        world.fetch_acts.extend(cuts);
    });
    assert_eq!(read(request(brokers.ports[0])).await.unwrap(), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_broker_that_stays_away_is_an_error_in_time() {
    let mut brokers = Brokers::start(1, vec![partition(0, &[&["1"]])]).await;
    let stall = Duration::from_millis(300);
    let endless = TopicRequest { to_the_end: false, ..request(brokers.ports[0]) };
    let mut topic = behind_gate(&[], async { follow_within(stall, endless.clone()) }).await;
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "1".as_bytes());
    for mut task in brokers.tasks.drain(..) {
        task.shutdown().await;
    }
    let began = Instant::now();
    let error = topic.next_value().await.unwrap_err();
    assert_eq!(error.status.class().0, "NetworkError", "{error}");
    assert!(began.elapsed() >= stall);
    assert!(error.uri.is_some());
    // It ended with its error.
    assert_eq!(topic.next_value().await.unwrap(), None);
    // An address where nobody listens is told at once.
    let patience = Duration::from_secs(3600);
    assert_eq!(read_within(patience, endless).await.unwrap_err().status, Status::ConnectionFailed);
}

#[tokio::test]
async fn a_broker_that_is_silent_is_an_error_in_time() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1"]])]).await;
    brokers.change(|world| world.acts.push_back(Act::Silence));
    let impatient = Duration::from_millis(100);
    assert_eq!(
        read_within(impatient, request(brokers.ports[0])).await.unwrap_err().status,
        Status::Timeout
    );
    // Amid the records it is asked again first.
    brokers.change(|world| world.fetch_acts.push_back(Act::Silence));
    let patient = Duration::from_secs(2);
    assert_eq!(read_within(patient, request(brokers.ports[0])).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_not_found() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1"]])]).await;
    // One that was just made is not known everywhere at once.
    brokers.change(|world| world.topic_errors.extend([3, 3]));
    assert_eq!(read(request(brokers.ports[0])).await.unwrap(), ["1"]);
    brokers.change(|world| world.topic_errors.extend([3; 100]));
    let error = read(request(brokers.ports[0])).await.unwrap_err();
    assert_eq!(error.status, Status::NotFound);
    assert!(error.message.contains("the topic t at the Kafka broker 127.0.0.1:"), "{error}");
    brokers.change(|world| world.topic_errors = [29].into());
    assert_eq!(read(request(brokers.ports[0])).await.unwrap_err().status, Status::AccessDenied);
    // Nobody leads a partition for a while.
    brokers.change(|world| world.topic_errors = [5, 5].into());
    assert_eq!(read(request(brokers.ports[0])).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_host_that_a_broker_names_is_asked_for() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1"]])]).await;
    brokers.change(|world| world.elsewhere = Some(("elsewhere.example".to_owned(), 9)));
    let refused = ["elsewhere.example:9"];
    let error = behind_gate(&refused, async {
        follow(request(brokers.ports[0])).next_value().await.unwrap_err()
    });
    let error = error.await;
    assert_eq!(error.status, Status::PermissionDenied);
    assert_eq!(error.hint.as_deref(), Some("run with --allow-net=elsewhere.example:9"));
    // Nor is the first one reached without being asked for, nor without a gate.
    let first = format!("127.0.0.1:{}", brokers.ports[0]);
    let before = brokers.change(|world| world.open);
    let refused = [first.as_str()];
    let error = behind_gate(&refused, async {
        follow(request(brokers.ports[0])).next_value().await.unwrap_err()
    });
    assert_eq!(error.await.status, Status::PermissionDenied);
    let error = follow(request(brokers.ports[0])).next_value().await.unwrap_err();
    assert_eq!(error.status, Status::PermissionDenied);
    assert!(brokers.change(|world| world.open) <= before);
}

#[tokio::test]
async fn records_that_were_deleted_unread_are_told() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1", "2", "3"]])]).await;
    brokers.change(|world| world.partitions[0].fetch_errors.push_back(1));
    assert_eq!(read(request(brokers.ports[0])).await.unwrap(), ["1", "2", "3"]);
    let endless = TopicRequest { to_the_end: false, ..request(brokers.ports[0]) };
    // Before the first record, reading begins at what is left.
    brokers.change(|world| {
        world.partitions[0].start = 1;
        world.partitions[0].fetch_errors.push_back(1);
    });
    let mut topic = open(endless).await;
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "2".as_bytes());
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "3".as_bytes());
    brokers.change(|world| {
        world.partitions[0].append(0, &["4", "5"]);
        world.partitions[0].start = 5;
        world.partitions[0].fetch_errors.push_back(1);
    });
    let error = topic.next_value().await.unwrap_err();
    assert_eq!(error.status, Status::ObjectChanged, "{error}");
    assert!(error.message.contains("offset 3"), "{error}");
}

#[tokio::test]
async fn only_the_wanted_records_of_a_batch_come() {
    // The batch begins before the first offset that is left and goes on behind the end.
    let mut world = partition(0, &[&["0", "1", "2", "3", "4"]]);
    (world.start, world.end) = (2, 4);
    let brokers = Brokers::start(1, vec![world]).await;
    assert_eq!(read(request(brokers.ports[0])).await.unwrap(), ["2", "3"]);
    let latest = TopicRequest {
        from: Beginning::Latest,
        to_the_end: false,
        limit: Some(1),
        ..request(brokers.ports[0])
    };
    assert_eq!(read(latest).await.unwrap(), ["4"]);
}

#[tokio::test]
async fn records_without_a_value_and_what_was_aborted_are_left_out() {
    let mut world = PartitionWorld::default();
    let (end, bytes) = batch(0, 0, &[Some("a"), None, Some("")]);
    world.batches.push((end, bytes));
    world.end = end;
    world.append(0x10, &["aborted"]);
    world.append(0x30, &["control"]);
    world.append(0x10, &["committed"]);
    world.append(0x30, &["control"]);
    world.aborted.push((9, 3));
    let brokers = Brokers::start(1, vec![world]).await;
    assert_eq!(read(request(brokers.ports[0])).await.unwrap(), ["a", "", "committed"]);
}

#[tokio::test]
async fn what_is_no_broker_is_told() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1"]])]).await;
    let ask = async |said: &[u8]| {
        brokers.change(|world| world.acts.push_back(Act::Say(said.to_vec())));
        read(request(brokers.ports[0])).await.unwrap_err()
    };
    let error = ask(&[0x15, 3, 3, 0, 2, 2, 10]).await;
    assert_eq!(error.status, Status::Unsupported);
    assert!(error.message.contains("TLS"), "{error}");
    for said in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0, 0, 0, 3, 1, 2, 3], &[0xff; 9]] {
        let error = ask(said).await;
        assert_eq!(error.status, Status::ConnectionBroken, "{error}");
    }
    brokers.change(|world| world.versions = Some(vec![(1, 12, 18), (2, 1, 11), (3, 0, 13)]));
    let error = read(request(brokers.ports[0])).await.unwrap_err();
    assert_eq!(error.status, Status::Unsupported);
    assert!(error.message.contains("Fetch it speaks 12 to 18, and dipper 10"), "{error}");
}

#[tokio::test]
async fn a_value_that_is_too_long_is_refused_behind_those_before_it() {
    let long = "x".repeat(1001);
    let brokers = Brokers::start(1, vec![partition(0, &[&["1", &long, "3"]])]).await;
    let mut topic = open(request(brokers.ports[0])).await;
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "1".as_bytes());
    let error = topic.next_value().await.unwrap_err();
    assert_eq!(error.status, Status::InvalidInput);
    assert!(error.message.contains("1001 bytes") && error.message.contains("1000"), "{error}");
}

#[tokio::test]
async fn a_damaged_batch_is_told_behind_those_before_it() {
    let mut world = partition(0, &[&["1"], &["2"]]);
    *world.batches[1].1.last_mut().unwrap() ^= 1;
    let brokers = Brokers::start(1, vec![world]).await;
    let mut topic = open(request(brokers.ports[0])).await;
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "1".as_bytes());
    let error = topic.next_value().await.unwrap_err();
    assert_eq!(error.status, Status::ChecksumMismatch, "{error}");
}

#[tokio::test]
async fn a_batch_that_is_cut_off_is_asked_for_with_more_room() {
    let long = "x".repeat(900);
    let values: Vec<&str> = std::iter::repeat_n(long.as_str(), 3000).collect();
    let brokers = Brokers::start(1, vec![partition(0, &[&values])]).await;
    assert_eq!(read(request(brokers.ports[0])).await.unwrap().len(), 3000);
    assert!(brokers.change(|world| world.fetches) > 1);
}

#[tokio::test]
async fn partitions_that_are_new_are_found() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["a1"]])]).await;
    let endless =
        TopicRequest { to_the_end: false, from: Beginning::Latest, ..request(brokers.ports[0]) };
    let mut topic = behind_gate(&[], async {
        Topic::with_refresh(
            &client(Duration::from_secs(20)),
            None,
            endless,
            Duration::from_millis(100),
        )
    })
    .await;
    assert!(tokio::time::timeout(Duration::from_millis(50), topic.next_value()).await.is_err());
    brokers.change(|world| world.partitions.push(partition(0, &[&["b1", "b2"]])));
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "b1".as_bytes());
    assert_eq!(topic.next_value().await.unwrap().unwrap(), "b2".as_bytes());
}

#[tokio::test]
async fn whoever_reads_slowly_holds_the_brokers_back() {
    let long = "x".repeat(1000);
    let values: Vec<&str> = std::iter::repeat_n(long.as_str(), 1000).collect();
    let batches: Vec<&[&str]> = std::iter::repeat_n(values.as_slice(), 12).collect();
    let mut world = partition(0, &batches);
    world.most = Some(world.batches[0].1.len());
    let brokers = Brokers::start(1, vec![world]).await;
    let mut topic = open(request(brokers.ports[0])).await;
    assert!(topic.next_value().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(300)).await;
    // One is read, one waits to be taken, one waits to be handed over.
    assert!(brokers.change(|world| world.fetches) <= 4);
    let mut read = 1;
    while topic.next_value().await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, 12_000);
}

#[tokio::test]
async fn answers_that_are_garbage_end_in_errors() {
    let brokers = Brokers::start(1, vec![partition(0, &[&["1"], &["2"]])]).await;
    let client = client(Duration::from_secs(20));
    for length in 0..120_u32 {
        let garbage: Vec<u8> = (0..length).map(|at| (at * 37 + length * 11) as u8).collect();
        let whole = [&(length + 4).to_be_bytes()[..], &[0, 0, 0, 2], &garbage].concat();
        brokers.change(|world| {
            world.acts.clear();
            world.acts.extend([Act::Answer, Act::Say(whole)]);
        });
        let request = request(brokers.ports[0]);
        let mut topic = behind_gate(&[], async { Topic::follow(&client, None, request) }).await;
        assert!(all(&mut topic).await.is_err());
    }
}
