//! What it costs to fill fresh memory, and which advice to the kernel makes it cheaper.
//!
//! `cargo bench -p dipper-wire --bench fresh_memory [-- MEBIBYTES [ROUNDS]]`
//!
//! The bytes come by `pread` from a small file that stays in the page cache: the kernel
//! copies them into the map, and faults the map's pages in, just as `recv` does, but
//! without a network and a second process that would blur the figures. Each round runs
//! all ways once, in an order that is shuffled: what one way frees, the next one gets.

#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};

const READ: usize = 256 * 1024;
const MIB: usize = 1 << 20;

#[derive(Clone, Copy)]
enum Way {
    Warm,
    FirstTouch,
    PopulateAhead { step: usize },
    PopulateAll,
    HugePages,
    HugePagesPopulateAhead { step: usize },
}

const WAYS: [(&str, Way); 9] = [
    ("warm memory", Way::Warm),
    ("fresh, first touch", Way::FirstTouch),
    ("fresh, populated 256 KiB ahead", Way::PopulateAhead { step: MIB / 4 }),
    ("fresh, populated 2 MiB ahead", Way::PopulateAhead { step: 2 * MIB }),
    ("fresh, populated 8 MiB ahead", Way::PopulateAhead { step: 8 * MIB }),
    ("fresh, populated at once", Way::PopulateAll),
    ("fresh, huge pages", Way::HugePages),
    ("fresh, huge pages 2 MiB ahead", Way::HugePagesPopulateAhead { step: 2 * MIB }),
    ("fresh, huge pages 8 MiB ahead", Way::HugePagesPopulateAhead { step: 8 * MIB }),
];

struct Taken {
    fill: Duration,
    unmap: Duration,
}

fn fill(map: &mut MmapMut, source: &File, populate: Option<usize>) -> io::Result<()> {
    let mut populated = 0;
    for at in (0..map.len()).step_by(READ) {
        if let Some(step) = populate
            && at == populated
        {
            let length = step.min(map.len() - at);
            map.advise_range(Advice::PopulateWrite, at, length)?;
            populated += length;
        }
        let end = map.len().min(at + READ);
        source.read_exact_at(&mut map[at..end], 0)?;
    }
    Ok(())
}

fn measure(way: Way, length: usize, source: &File, warm: &mut MmapMut) -> io::Result<Taken> {
    let start = Instant::now();
    if let Way::Warm = way {
        fill(warm, source, None)?;
        return Ok(Taken { fill: start.elapsed(), unmap: Duration::ZERO });
    }
    let mut map = MmapMut::map_anon(length)?;
    match way {
        Way::Warm | Way::FirstTouch => fill(&mut map, source, None)?,
        Way::PopulateAhead { step } => fill(&mut map, source, Some(step))?,
        Way::PopulateAll => fill(&mut map, source, Some(length))?,
        Way::HugePages => {
            map.advise(Advice::HugePage)?;
            fill(&mut map, source, None)?;
        }
        Way::HugePagesPopulateAhead { step } => {
            map.advise(Advice::HugePage)?;
            fill(&mut map, source, Some(step))?;
        }
    }
    let filled = start.elapsed();
    drop(map);
    Ok(Taken { fill: filled, unmap: start.elapsed().saturating_sub(filled) })
}

/// The fastest, the median and the slowest.
fn spread(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    [0, times.len() / 2, times.len().saturating_sub(1)]
        .map(|at| times.get(at).copied().unwrap_or_default())
}

/// A pseudo-random order of the ways, from a fixed seed.
fn shuffled(state: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..WAYS.len()).collect();
    for at in (1..order.len()).rev() {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        order.swap(at, (*state >> 33) as usize % (at + 1));
    }
    order
}

fn main() -> io::Result<()> {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let length = numbers.first().copied().unwrap_or(1024).max(1) * MIB;
    let rounds = numbers.get(1).copied().unwrap_or(7).max(1);

    let path = std::env::temp_dir().join(format!("dipper-fresh-memory-{}", std::process::id()));
    std::fs::write(&path, vec![0x5A; READ])?;
    let source = File::open(&path)?;
    std::fs::remove_file(&path)?;

    let mut warm = MmapMut::map_anon(length)?;
    fill(&mut warm, &source, None)?;
    let mut taken: Vec<Vec<Taken>> = WAYS.iter().map(|_| Vec::new()).collect();
    let mut state = 1;
    for _ in 0..rounds {
        for which in shuffled(&mut state) {
            taken[which].push(measure(WAYS[which].1, length, &source, &mut warm)?);
        }
    }

    let per_kibibyte = |time: Duration| time.as_nanos() as f64 / (length / 1024) as f64;
    println!("{} MiB, {rounds} rounds; ns/KiB", length / MIB);
    println!(
        "{:<31} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "fastest", "median", "slowest", "GB/s", "unmap"
    );
    for ((name, _), taken) in WAYS.iter().zip(&taken) {
        let fill = spread(taken.iter().map(|taken| taken.fill).collect());
        let unmap = spread(taken.iter().map(|taken| taken.unmap).collect());
        let [fastest, median, slowest] = fill.map(per_kibibyte);
        println!(
            "{name:<31} {fastest:>8.1} {median:>8.1} {slowest:>8.1} {:>8.2} {:>8.1}",
            length as f64 / fill[1].as_secs_f64() / 1e9,
            per_kibibyte(unmap[1])
        );
    }
    Ok(())
}
