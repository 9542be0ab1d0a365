//! Lines and messages: however the bytes arrive and whatever room there is, the same elements come
//! out; lines are those of a plain split, and nothing panics.

#![no_main]

use dipper_wire::{Batch, Flaw, FrameSplitter, LengthPrefix, LineSplitter, Pushed};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 300;

enum Splitter {
    Lines(LineSplitter),
    Frames(FrameSplitter),
}

fn cut(
    mut splitter: Splitter,
    bytes: &[u8],
    step: usize,
    mut room: usize,
) -> (Vec<Vec<u8>>, Option<Flaw>) {
    let mut elements = Vec::new();
    for chunk in bytes.chunks(step).map(Some).chain([None]) {
        let mut rest = chunk.unwrap_or_default();
        loop {
            let (mut memory, mut offsets) = (vec![0; room], Vec::new());
            let mut batch = Batch::new(&mut memory, &mut offsets, None);
            let pushed = match (&mut splitter, chunk) {
                (Splitter::Lines(lines), Some(_)) => lines.push(rest, &mut batch),
                (Splitter::Lines(lines), None) => lines.finish(&mut batch),
                (Splitter::Frames(frames), Some(_)) => frames.push(rest, &mut batch),
                (Splitter::Frames(frames), None) => frames.finish().map(|()| Pushed::All),
            };
            for ends in offsets.windows(2) {
                elements.push(memory[ends[0] as usize..ends[1] as usize].to_vec());
            }
            match pushed {
                Err(flaw) => return (elements, Some(flaw)),
                Ok(Pushed::All) => break,
                Ok(Pushed::Full(taken)) => {
                    assert!(taken > 0 || offsets.len() > 1, "it goes on");
                    rest = &rest[taken..];
                }
                Ok(Pushed::Needs(taken, needed)) => {
                    assert!(needed > room && needed <= LIMIT);
                    (rest, room) = (&rest[taken..], needed);
                }
            }
        }
    }
    (elements, None)
}

fuzz_target!(|input: (u8, u8, u8, Vec<u8>)| {
    let (kind, step, room, bytes) = input;
    let splitter = || match kind % 4 {
        0 => Splitter::Lines(LineSplitter::new(LIMIT)),
        1 => Splitter::Frames(FrameSplitter::new(LengthPrefix::U32Be, LIMIT)),
        2 => Splitter::Frames(FrameSplitter::new(LengthPrefix::U32Le, LIMIT)),
        _ => Splitter::Frames(FrameSplitter::new(LengthPrefix::Varint, LIMIT)),
    };
    let whole = cut(splitter(), &bytes, bytes.len().max(1), 1 << 16);
    let pieces = cut(splitter(), &bytes, usize::from(step) + 1, usize::from(room));
    assert_eq!(whole, pieces);
    if kind % 4 == 0 && whole.1.is_none() {
        let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let last = parts.pop().filter(|last| !last.is_empty());
        let lines = parts.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        assert!(lines.chain(last).eq(whole.0.iter().map(Vec::as_slice)));
    }
});
