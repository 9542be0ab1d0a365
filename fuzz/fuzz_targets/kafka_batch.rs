//! Kafka: whatever the batches of a partition hold, reading their records ends, and the values are
//! no more than there were bytes for. The checksums are made right first, or nothing would pass.

#![no_main]

use dipper_fuzz::crc::naive;
use dipper_wire::Algorithm;
use dipper_wire::kafka::{Batches, Records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, i64, Vec<u8>)| {
    let (most, since, mut bytes) = input;
    mend(&mut bytes);
    let mut batches = Batches::new(&bytes);
    let mut values = Vec::new();
    let mut taken = 0;
    for batch in batches.by_ref() {
        let Ok(batch) = batch else { break };
        assert!(0 <= batch.first && batch.first < batch.end);
        taken += batch.records.len() + 61;
        let (first, end) = (batch.first, batch.end);
        let mut records = Records::new(batch.records, first, end, batch.count);
        let before = values.len();
        let mut count = 0;
        while let Ok(Some(record)) = records.next(&mut values, most.into(), since) {
            assert!(first <= record.offset && record.offset < end);
            assert!(record.value.unwrap_or(0) <= most.into());
            if record.offset < since {
                assert!(record.value.unwrap_or(0) == 0);
            }
            count += 1;
        }
        // A record has six bytes besides its value.
        assert!(count <= batch.count && count as usize * 6 <= batch.records.len());
        assert!(values.len() - before <= batch.records.len());
    }
    assert!(taken <= bytes.len() && batches.taken() == taken);
});

/// Puts the right checksum into every batch.
fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 12) {
        let length = u32::from_be_bytes(head[8..].try_into().unwrap()) as usize;
        let Some(end) = at.checked_add(12 + length).filter(|end| *end <= bytes.len()) else {
            return;
        };
        if length < 49 {
            return;
        }
        let summed = bytes[at + 21..end].iter().copied();
        let crc = naive(Algorithm::Crc32c, summed).unwrap();
        bytes[at + 17..at + 21].copy_from_slice(&crc);
        at = end;
    }
}
