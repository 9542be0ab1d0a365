//! Kafka: whatever a broker answers, reading it ends, and what is taken out of it is no more than
//! there were bytes for.

#![no_main]

use dipper_wire::kafka::{Fetched, Metadata, Offset, SpokenVersions, correlation_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, frame)) = bytes.split_first() else { return };
    let Ok((_, body)) = correlation_of(frame) else {
        assert!(frame.len() < 4);
        return;
    };
    match which % 4 {
        0 => {
            let Ok(spoken) = SpokenVersions::parse(body) else { return };
            assert!(spoken.versions.len() <= body.len() / 6);
        }
        1 => {
            let Ok(found) = Metadata::parse(body, "t") else { return };
            assert!(found.brokers.len() <= body.len() / 12);
            assert!(found.partitions.len() <= body.len() / 26);
            assert!(found.partitions.is_sorted_by(|a, b| 0 <= a.index && a.index < b.index));
        }
        2 => {
            let Ok(offsets) = Offset::parse(body, "t") else { return };
            assert!(offsets.len() <= body.len() / 26);
        }
        _ => {
            let Ok(fetched) = Fetched::parse(body, "t") else { return };
            let batches: usize = fetched.partitions.iter().map(|one| one.batches.len()).sum();
            let aborted: usize = fetched.partitions.iter().map(|one| one.aborted.len()).sum();
            assert!(fetched.partitions.len() * 38 + aborted * 16 + batches <= body.len());
        }
    }
});
