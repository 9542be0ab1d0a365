//! Brokers for tests that do what they are told, on 127.0.0.1. Only what the tests of a real
//! Kafka cannot bring about is tested with them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a broker does with a request instead of answering it.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Answer,
    Close,
    /// Sends so many bytes of the answer, then hangs up.
    CutAfter(usize),
    Silence,
    /// Sends these bytes and hangs up.
    Say(Vec<u8>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct PartitionWorld {
    pub(super) leader: usize,
    pub(super) error: i16,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The end of each batch, and its bytes.
    pub(super) batches: Vec<(i64, Vec<u8>)>,
    pub(super) aborted: Vec<(i64, i64)>,
    /// What fetches are answered, before anything else.
    pub(super) fetch_errors: VecDeque<i16>,
    /// How many bytes of batches an answer holds at most.
    pub(super) most: Option<usize>,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) partitions: Vec<PartitionWorld>,
    pub(super) topic_errors: VecDeque<i16>,
    /// What each next fetch meets.
    pub(super) fetch_acts: VecDeque<Act>,
    pub(super) acts: VecDeque<Act>,
    pub(super) versions: Option<Vec<(i16, i16, i16)>>,
    /// Where brokers say that they are, instead of where they are.
    pub(super) elsewhere: Option<(String, u16)>,
    ports: Vec<u16>,
    pub(super) open: usize,
    pub(super) fetches: usize,
}

/// Some brokers with one topic named `t`.
pub(super) struct Brokers {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) ports: Vec<u16>,
    pub(super) tasks: Vec<JoinSet<()>>,
}

impl Brokers {
    pub(super) async fn start(count: usize, partitions: Vec<PartitionWorld>) -> Self {
        let world = Arc::new(Mutex::new(World { partitions, ..World::default() }));
        let mut ports = Vec::new();
        let mut tasks = Vec::new();
        for broker in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ports.push(listener.local_addr().unwrap().port());
            let mut task = JoinSet::new();
            task.spawn(serve(listener, broker, Arc::clone(&world)));
            tasks.push(task);
        }
        world.lock().unwrap().ports = ports.clone();
        Self { world, ports, tasks }
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap())
    }
}

async fn serve(listener: TcpListener, broker: usize, world: Arc<Mutex<World>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        world.lock().unwrap().open += 1;
        connections.spawn(async move {
            let _ = talk(socket, broker, &world).await;
            world.lock().unwrap().open -= 1;
        });
    }
}

async fn talk(mut socket: TcpStream, broker: usize, world: &Mutex<World>) -> std::io::Result<()> {
    loop {
        let length = socket.read_u32().await? as usize;
        let mut frame = vec![0; length];
        socket.read_exact(&mut frame).await?;
        let api = i16::from_be_bytes([frame[0], frame[1]]);
        let correlation = &frame[4..8];
        // Behind the client's name.
        let body = &frame[10 + usize::from(frame[9])..];
        let (act, answer) = {
            let mut world = world.lock().unwrap();
            let act = match api {
                1 => world.fetch_acts.pop_front(),
                _ => world.acts.pop_front(),
            };
            let answer = match api {
                18 => spoken_versions(&world),
                3 => metadata(&mut world),
                2 => list_offsets(&world, body),
                _ => fetch(&mut world, body, broker),
            };
            (act.unwrap_or(Act::Answer), answer)
        };
        if api == 1 && !answer.1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let body = [correlation, &answer.0].concat();
        let framed = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
        match act {
            Act::Answer => socket.write_all(&framed).await?,
            Act::Close => return Ok(()),
            Act::CutAfter(bytes) => {
                return socket.write_all(&framed[..bytes.min(framed.len())]).await;
            }
            Act::Say(bytes) => {
                socket.write_all(&bytes).await?;
                return socket.shutdown().await;
            }
            Act::Silence => tokio::time::sleep(Duration::from_secs(3600)).await,
        }
    }
}

/// An answer, and whether it has records.
type Answer = (Vec<u8>, bool);

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn spoken_versions(world: &World) -> Answer {
    let usual = vec![(1, 4, 18), (2, 1, 11), (3, 0, 13), (18, 0, 4)];
    let versions = world.versions.clone().unwrap_or(usual);
    let mut answer = vec![0, 0];
    answer.extend((versions.len() as i32).to_be_bytes());
    for (key, first, last) in versions {
        answer.extend([key, first, last].map(i16::to_be_bytes).concat());
    }
    (answer, true)
}

fn metadata(world: &mut World) -> Answer {
    let mut answer = vec![0; 4];
    answer.extend((world.ports.len() as i32).to_be_bytes());
    for (id, port) in world.ports.iter().enumerate() {
        let here = ("127.0.0.1".to_owned(), *port);
        let (host, port) = world.elsewhere.clone().unwrap_or(here);
        answer.extend((id as i32).to_be_bytes());
        answer.extend(text(&host));
        answer.extend(i32::from(port).to_be_bytes());
        answer.extend((-1_i16).to_be_bytes());
    }
    answer.extend(text("cluster"));
    answer.extend([0_i32, 1].map(i32::to_be_bytes).concat());
    let error = world.topic_errors.pop_front().unwrap_or(0);
    answer.extend(error.to_be_bytes());
    answer.extend(text("t"));
    answer.push(0);
    let partitions = if error == 0 { world.partitions.as_slice() } else { &[] };
    answer.extend((partitions.len() as i32).to_be_bytes());
    for (index, partition) in partitions.iter().enumerate() {
        let leader = if partition.error == 0 { partition.leader as i32 } else { -1 };
        answer.extend(partition.error.to_be_bytes());
        answer.extend(
            [index as i32, leader, 0, 1, leader, 1, leader, 0].map(i32::to_be_bytes).concat(),
        );
    }
    (answer, true)
}

fn number<const N: usize>(body: &mut &[u8]) -> [u8; N] {
    let (number, rest) = body.split_first_chunk().unwrap();
    *body = rest;
    *number
}

fn list_offsets(world: &World, mut body: &[u8]) -> Answer {
    let body = &mut body;
    number::<4>(body);
    number::<1>(body);
    number::<4>(body);
    let name = i16::from_be_bytes(number(body)) as usize;
    *body = &body[name..];
    let count = i32::from_be_bytes(number(body));
    let mut answer = vec![0; 4];
    answer.extend(1_i32.to_be_bytes());
    answer.extend(text("t"));
    answer.extend(count.to_be_bytes());
    for _ in 0..count {
        let index = i32::from_be_bytes(number(body));
        number::<4>(body);
        let timestamp = i64::from_be_bytes(number(body));
        let partition = &world.partitions[index as usize];
        let offset = if timestamp == -1 { partition.end } else { partition.start };
        answer.extend(index.to_be_bytes());
        answer.extend(0_i16.to_be_bytes());
        answer.extend([-1, offset].map(i64::to_be_bytes).concat());
        answer.extend(0_i32.to_be_bytes());
    }
    (answer, true)
}

fn fetch(world: &mut World, mut body: &[u8], broker: usize) -> Answer {
    world.fetches += 1;
    let body = &mut body;
    number::<25>(body); // replica, wait, least, most, isolation, session, its epoch
    number::<4>(body);
    let name = i16::from_be_bytes(number(body)) as usize;
    *body = &body[name..];
    let count = i32::from_be_bytes(number(body));
    let mut answer = vec![0; 10];
    answer.extend(1_i32.to_be_bytes());
    answer.extend(text("t"));
    answer.extend(count.to_be_bytes());
    let mut any = false;
    for _ in 0..count {
        let index = i32::from_be_bytes(number(body));
        number::<4>(body);
        let offset = i64::from_be_bytes(number(body));
        number::<8>(body);
        let most = i32::from_be_bytes(number(body)) as usize;
        let partition = &mut world.partitions[index as usize];
        let error = match partition.fetch_errors.pop_front() {
            Some(error) => error,
            None if partition.leader != broker => 6,
            None if offset < partition.start || offset > partition.end => 1,
            None => 0,
        };
        let mut batches: Vec<u8> = Vec::new();
        if error == 0 {
            for (_, bytes) in partition.batches.iter().filter(|(end, _)| *end > offset) {
                batches.extend(bytes);
            }
            let most = partition.most.map_or(most, |own| most.min(own));
            batches.truncate(most);
        }
        any |= error != 0 || !batches.is_empty();
        answer.extend(index.to_be_bytes());
        answer.extend(error.to_be_bytes());
        answer
            .extend([partition.end, partition.end, partition.start].map(i64::to_be_bytes).concat());
        answer.extend((partition.aborted.len() as i32).to_be_bytes());
        for (producer, first) in &partition.aborted {
            answer.extend([*producer, *first].map(i64::to_be_bytes).concat());
        }
        answer.extend((batches.len() as i32).to_be_bytes());
        answer.extend(batches);
    }
    (answer, any)
}

fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A batch of records with these values, from this offset.
pub(super) fn batch(first: i64, attributes: i16, values: &[Option<&str>]) -> (i64, Vec<u8>) {
    let mut records = Vec::new();
    for (delta, value) in values.iter().enumerate() {
        let mut record = vec![0, 0];
        record.extend(varint(delta as i64));
        record.extend(varint(-1));
        record.extend(varint(value.map_or(-1, |value| value.len() as i64)));
        record.extend(value.unwrap_or_default().as_bytes());
        record.push(0);
        records.extend(varint(record.len() as i64));
        records.extend(record);
    }
    let count = values.len() as i32;
    let mut summed = attributes.to_be_bytes().to_vec();
    summed.extend((count - 1).to_be_bytes());
    summed.extend([0; 16]);
    summed.extend(9_i64.to_be_bytes());
    summed.extend([0; 6]);
    summed.extend(count.to_be_bytes());
    summed.extend(records);
    let mut whole = first.to_be_bytes().to_vec();
    whole.extend((summed.len() as i32 + 9).to_be_bytes());
    whole.extend([0, 0, 0, 0, 2]);
    whole.extend(crc32c(&summed).to_be_bytes());
    whole.extend(summed);
    (first + i64::from(count), whole)
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// A partition whose batches hold these values.
pub(super) fn partition(leader: usize, batches: &[&[&str]]) -> PartitionWorld {
    let mut made = PartitionWorld { leader, ..PartitionWorld::default() };
    for values in batches {
        made.append(0, values);
    }
    made
}

impl PartitionWorld {
    pub(super) fn append(&mut self, attributes: i16, values: &[&str]) {
        let values: Vec<_> = values.iter().map(|value| Some(*value)).collect();
        let (end, bytes) = batch(self.end, attributes, &values);
        self.batches.push((end, bytes));
        self.end = end;
    }
}
