//! aws-sdk-rust as its documentation shows it, with the TLS of the library.

use std::{error::Error, fs, sync::Arc, time::Instant};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig},
    primitives::ByteStream,
};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    job::{Job, Outcome},
    meter::Meter,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

pub fn run(job: Job) -> std::result::Result<Outcome, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(Arc::new(job))).map_err(|error| -> Box<dyn Error> { error })
}

async fn measure(job: Arc<Job>) -> Result<Outcome> {
    let client = connect(&job)?;
    if !job.warm_up.is_empty() {
        get(&client, &job, &job.warm_up, None).await?;
    }
    match job.case.as_str() {
        "object" => {
            let meter = start()?;
            let bytes = object(&client, &job).await?;
            stop(meter, bytes, 1)
        }
        "repeated" => {
            for _ in 0..job.settle {
                object(&client, &job).await?;
            }
            let meter = start()?;
            let mut bytes = 0;
            for _ in 0..job.count {
                bytes += object(&client, &job).await?;
            }
            stop(meter, bytes, job.count)
        }
        "small" => {
            small(&client, &job, job.count / 10).await?;
            let meter = start()?;
            let kept = small(&client, &job, job.count).await?;
            stop(meter, kept.iter().map(bytes::Bytes::len).sum(), kept.len())
        }
        "latency" => {
            let mut times = Vec::with_capacity(job.count);
            for _ in 0..job.count / 10 {
                get(&client, &job, &job.key, None).await?;
            }
            let meter = start()?;
            for _ in 0..job.count {
                let start = Instant::now();
                get(&client, &job, &job.key, None).await?;
                times.push(start.elapsed().as_secs_f64());
            }
            Ok(stop(meter, job.size * job.count, job.count)?.with_latencies(times))
        }
        "list" => {
            let meter = start()?;
            let mut pages = client.list_objects_v2().bucket(&job.bucket).into_paginator().send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                keys.extend(page?.contents.unwrap_or_default());
            }
            stop(meter, 0, keys.len())
        }
        "upload" => {
            let body = vec![7; job.size];
            let meter = start()?;
            let body = ByteStream::from(body);
            client.put_object().bucket(&job.bucket).key(&job.key).body(body).send().await?;
            stop(meter, job.size, 1)
        }
        case => Err(format!("aws-sdk-rust has no case {case}").into()),
    }
}

fn connect(job: &Job) -> Result<Client> {
    let mut roots = TrustStore::empty();
    if !job.ca.is_empty() {
        roots = roots.with_pem_certificate(fs::read(&job.ca)?);
    }
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(TlsContext::builder().with_trust_store(roots).build()?)
        .build_https();
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(
            &job.access_key_id,
            &job.secret_access_key,
            None,
            None,
            "bench",
        ))
        .endpoint_url(&job.endpoint)
        .force_path_style(true)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Ok(Client::from_conf(config))
}

async fn get(client: &Client, job: &Job, key: &str, range: Option<String>) -> Result<bytes::Bytes> {
    let answer = client.get_object().bucket(&job.bucket).key(key).set_range(range).send().await?;
    Ok(answer.body.collect().await?.into_bytes())
}

/// One object by one request, or in ranges whose chunks are copied to their place as they come.
async fn object(client: &Client, job: &Arc<Job>) -> Result<usize> {
    if job.parallel <= 1 {
        return whole(get(client, job, &job.key, None).await?.len(), job.size);
    }
    let each = job.size.div_ceil(job.parallel);
    let mut memory = vec![0; job.size];
    let parts = memory.chunks_mut(each).enumerate().map(|(index, part)| async move {
        let range = format!("bytes={}-{}", index * each, index * each + part.len() - 1);
        let answer =
            client.get_object().bucket(&job.bucket).key(&job.key).range(range).send().await?;
        let mut body: ByteStream = answer.body;
        let mut at = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            part.get_mut(at..at + chunk.len())
                .ok_or("a range is longer than asked for")?
                .copy_from_slice(&chunk);
            at += chunk.len();
        }
        whole(at, part.len())
    });
    let lengths = futures::future::try_join_all(parts).await?;
    whole(lengths.into_iter().sum(), job.size)
}

fn whole(length: usize, size: usize) -> Result<usize> {
    if length == size { Ok(length) } else { Err(format!("{length} of {size} bytes").into()) }
}

async fn small(client: &Client, job: &Arc<Job>, count: usize) -> Result<Vec<bytes::Bytes>> {
    let places = Arc::new(Semaphore::new(job.parallel.max(1)));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let place = places.clone().acquire_owned().await?;
        let (client, job) = (client.clone(), job.clone());
        tasks.spawn(async move {
            let object = get(&client, &job, &job.numbered(number), None).await;
            drop(place);
            object
        });
    }
    tasks.join_all().await.into_iter().collect()
}

fn start() -> Result<Meter> {
    Meter::start().map_err(|error| error.to_string().into())
}

fn stop(meter: Meter, bytes: usize, operations: usize) -> Result<Outcome> {
    meter.stop(bytes, operations).map_err(|error| error.to_string().into())
}
