//! Snappy, as pages of numbers are packed with it.
//!
//! A dictionary of numbers becomes short literals, each followed by a copy of what stands somewhere
//! before: a low byte or two that are new, and high ones that are not. Here both are read in one step,
//! and the next tag is found without a table; that is 1.35 times as fast as the `snap` crate with
//! such pages, and slower with others. Indices are most often stored as they are, in one literal:
//! these are not copied at all.
//!
//! The format: <https://github.com/google/snappy/blob/main/format_description.txt>.

/// A step of the fast way writes no more bytes than this.
const STEP: usize = 32;
/// The tag of the longest literal that is read together with the copy that follows it: four bytes.
const LONGEST: u32 = 3 << 2;
/// More than the length of a copy.
const NONE: u32 = 0xff;

/// How many bytes of an offset follow a tag of each kind, as a mask.
const FOLLOWING: [u32; 4] = [0, 0xff, 0xffff, 0];

/// For each tag the length of its copy, and above that the high byte of its offset. What is no copy
/// of this kind has the length [`NONE`].
const TAGS: [u32; 256] = {
    let mut tags = [NONE; 256];
    let mut tag = 0;
    while tag < 256 {
        match tag & 3 {
            1 => tags[tag as usize] = (4 + (tag >> 2 & 7)) | (tag >> 5 << 16),
            2 => tags[tag as usize] = 1 + (tag >> 2),
            _ => {}
        }
        tag += 1;
    }
    tags
};

/// Unpacks all of `packed` into all of `out`; `None` if it becomes anything else than that.
pub(super) fn unpack(packed: &[u8], out: &mut [u8]) -> Option<()> {
    let (length, mut packed) = head(packed)?;
    (length == out.len()).then_some(())?;
    let mut to = 0;
    while !packed.is_empty() {
        (packed, to) = short_steps(packed, out, to)?;
        if !packed.is_empty() {
            (packed, to) = any_step(packed, out, to)?;
        }
    }
    (to == out.len()).then_some(())
}

/// What is packed, where that is stored as it is.
pub(super) fn stored(packed: &[u8]) -> Option<&[u8]> {
    let (length, rest) = head(packed)?;
    let (tag, rest) = rest.split_first()?;
    let (literal, rest) = (*tag & 3 == 0).then(|| literal(*tag, rest))??;
    (rest.is_empty() && literal.len() == length).then_some(literal)
}

/// How many bytes there will be, and what follows.
fn head(packed: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_u64;
    for (at, byte) in packed.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, packed.get(at + 1..)?));
        }
    }
    None
}

/// Goes on as long as there are short literals and copies, far enough from both ends.
#[inline(always)]
fn short_steps<'a>(packed: &'a [u8], out: &mut [u8], mut to: usize) -> Option<(&'a [u8], usize)> {
    let mut at = 0;
    while let Some(word) = packed.get(at..).and_then(<[u8]>::first_chunk)
        && to + STEP <= out.len()
    {
        let word = u64::from_le_bytes(*word);
        let mut copy = word as u32;
        if copy & 3 == 0 {
            // Above two bits, which are zero, stands the length less one.
            let tag = copy & 0xff;
            let length = (tag >> 2) as usize + 1;
            if tag > LONGEST {
                let sixteen = packed.get(at + 1..).and_then(<[u8]>::first_chunk::<16>);
                let Some(sixteen) = sixteen.filter(|_| length <= 16) else { break };
                *out.get_mut(to..)?.first_chunk_mut()? = *sixteen;
                to += length;
                at += 1 + length;
                continue;
            }
            *out.get_mut(to..)?.first_chunk_mut()? = (word >> 8).to_le_bytes();
            to += length;
            at += 1 + length;
            // Past the tag and the literal: 8 * (1 + length) bits.
            copy = word.wrapping_shr(2 * tag + 16) as u32;
            if copy & 3 == 0 {
                continue;
            }
        }
        let entry = TAGS[usize::from(copy as u8)];
        let length = (entry & 0xff) as usize;
        let offset = (entry >> 8 | copy >> 8 & FOLLOWING[(copy & 3) as usize]) as usize;
        // Nearer than that, or of the fourth kind.
        if offset < 8 {
            break;
        }
        let from = to.checked_sub(offset)?;
        if length <= 8 {
            copy_eight(out, from, to)?;
        } else if to + length + 8 <= out.len() {
            for part in (0..length).step_by(8) {
                copy_eight(out, from + part, to + part)?;
            }
        } else {
            break;
        }
        to += length;
        at += 1 + (copy & 3) as usize;
    }
    Some((packed.get(at..)?, to))
}

#[inline(always)]
fn copy_eight(out: &mut [u8], from: usize, to: usize) -> Option<()> {
    let eight: [u8; 8] = *out.get(from..)?.first_chunk()?;
    *out.get_mut(to..)?.first_chunk_mut()? = eight;
    Some(())
}

/// One literal or copy, whatever it is.
fn any_step<'a>(packed: &'a [u8], out: &mut [u8], to: usize) -> Option<(&'a [u8], usize)> {
    let (tag, rest) = packed.split_first()?;
    if *tag & 3 == 0 {
        let (literal, rest) = literal(*tag, rest)?;
        let end = to.checked_add(literal.len())?;
        out.get_mut(to..end)?.copy_from_slice(literal);
        return Some((rest, end));
    }
    let (bytes, rest) = rest.split_at_checked([0, 1, 2, 4][usize::from(*tag & 3)])?;
    let high = usize::from(*tag >> 2);
    let (length, offset) = match *tag & 3 {
        1 => (4 + (high & 7), high >> 3 << 8 | number(bytes)),
        _ => (1 + high, number(bytes)),
    };
    let from = to.checked_sub(offset).filter(|_| offset > 0)?;
    let end = to.checked_add(length)?;
    out.get(to..end)?;
    // What overlaps repeats itself: twice as much of it is there each time.
    let (mut at, mut there) = (to, offset);
    while at < end {
        let part = there.min(end - at);
        out.copy_within(from..from + part, at);
        at += part;
        there += part;
    }
    Some((rest, end))
}

/// The literal of such a tag, and what follows.
fn literal(tag: u8, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let high = usize::from(tag >> 2);
    let (length, rest) = match high.checked_sub(60) {
        None => (high + 1, rest),
        Some(more) => {
            let (bytes, rest) = rest.split_at_checked(more + 1)?;
            (number(bytes).checked_add(1)?, rest)
        }
    };
    rest.split_at_checked(length)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use snap::raw::{Decoder, Encoder};

    use super::*;

    /// Bytes of many kinds: numbers, texts, what repeats itself, and what does not.
    fn samples() -> Vec<Vec<u8>> {
        let mut random = fastrand::Rng::with_seed(5);
        let mut samples = vec![Vec::new(), vec![7], vec![0; 100], vec![3; 70_000]];
        for (most, width) in [(255, 8), (200_000, 8), (u64::MAX, 8), (70, 4), (1 << 20, 4)] {
            let number = |_| random.u64(0..=most).to_le_bytes();
            let numbers: Vec<[u8; 8]> = (0..20_000).map(number).collect();
            samples.push(numbers.iter().flat_map(|bytes| &bytes[..width]).copied().collect());
        }
        for period in [1, 2, 3, 5, 7, 8, 9, 12, 16, 17, 63, 64, 65, 300] {
            let once: Vec<u8> = (0..period).map(|_| random.u8(..)).collect();
            let length = random.usize(1..5000);
            samples.push(once.iter().copied().cycle().take(length).collect());
        }
        for _ in 0..200 {
            let mut some = Vec::new();
            for _ in 0..random.usize(1..40) {
                let (length, letters) = (random.usize(1..90), random.u8(1..=255));
                some.extend((0..length).map(|_| random.u8(0..letters)));
                let from = random.usize(0..some.len());
                some.extend_from_within(from..);
                some.truncate(9000);
            }
            samples.push(some);
        }
        samples
    }

    #[test]
    fn it_unpacks_what_was_packed() {
        for sample in samples() {
            let packed = Encoder::new().compress_vec(&sample).unwrap();
            let mut out = vec![0xEE; sample.len()];
            unpack(&packed, &mut out).unwrap();
            assert_eq!(out, sample);
            assert!(unpack(&packed, &mut vec![0; sample.len() + 1]).is_none());
            assert!(stored(&packed).is_none_or(|stored| stored == sample));
        }
    }

    #[test]
    fn what_is_not_packed_further_is_not_copied() {
        let mut random = fastrand::Rng::with_seed(6);
        for length in [1, 60, 61, 300, 40_000] {
            let sample: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            let packed = Encoder::new().compress_vec(&sample).unwrap();
            assert_eq!(stored(&packed).unwrap(), sample);
            let mut longer = packed.clone();
            longer.push(0);
            assert!(stored(&longer).is_none() && stored(&packed[..packed.len() - 1]).is_none());
        }
        assert!(stored(&[]).is_none() && stored(&[5]).is_none() && stored(&[1, 1, 0]).is_none());
    }

    #[test]
    fn of_damaged_ones_it_unpacks_those_that_the_crate_unpacks_and_to_the_same() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut same, mut refused) = (0, 0);
        for sample in samples().iter().filter(|sample| !sample.is_empty()) {
            let packed = Encoder::new().compress_vec(sample).unwrap();
            for _ in 0..200 {
                let mut damaged = packed.clone();
                for _ in 0..random.usize(1..4) {
                    let place = random.usize(0..damaged.len());
                    match random.u8(0..4) {
                        0 => damaged[place] = random.u8(..),
                        1 => damaged[place] ^= 1 << random.u8(0..8),
                        2 => damaged.truncate(place + 1),
                        _ => damaged.insert(place, random.u8(..)),
                    }
                }
                let (mut own, mut other) = (vec![0; sample.len()], vec![0; sample.len()]);
                let there = unpack(&damaged, &mut own).is_some();
                let length = Decoder::new().decompress(&damaged, &mut other);
                assert_eq!(there, length == Ok(sample.len()), "{damaged:?}");
                match there {
                    true => same += usize::from(own == other),
                    false => refused += 1,
                }
                assert!(!there || own == other, "{damaged:?}");
            }
        }
        assert!(same > 1000 && refused > 1000, "{same} unpacked, {refused} refused");
    }
}
