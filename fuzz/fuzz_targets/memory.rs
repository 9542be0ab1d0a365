//! Allocations, recycled ones, their slots and the table of handles, against plain vectors: no
//! byte lands in a neighbour, nothing recycled passes for zeroed, no stale handle finds anything.
//! AddressSanitizer watches the unsafe code below.

#![no_main]

use dipper_wire::{
    Allocation, Handle, Landing, SharedAllocation, Slot, SlotTable, StaleHandle, pool,
};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let input = &mut Unstructured::new(input);
    pool().set_limit(4 << 20);
    while !input.is_empty() {
        let _ = match input.int_in_range(0..=2_u8) {
            Ok(0) => allocations(input),
            Ok(1) => slots(input),
            _ => handles(input),
        };
    }
});

fn length(input: &mut Unstructured) -> Result<usize> {
    Ok(match input.int_in_range(0..=3_u8)? {
        0 => input.int_in_range(0..=300)?,
        // Around the size from which on memory is mapped.
        1 => 128 * 1024 - 2 + input.int_in_range(0..=4)?,
        2 => input.int_in_range(0..=1 << 20)?,
        _ => usize::MAX - input.int_in_range(0..=1000)?,
    })
}

fn allocations(input: &mut Unstructured) -> Result<()> {
    let length = length(input)?;
    let allocation = match input.int_in_range(0..=2_u8)? {
        0 => Allocation::zeroed(length),
        1 => Allocation::recycled(length),
        _ => Ok(Allocation::from_vec(vec![0; length.min(5000)])),
    };
    let Ok(mut allocation) = allocation else {
        assert!(length > 1 << 40);
        return Ok(());
    };
    let ends = |bytes: &[u8]| (bytes.first().copied(), bytes.last().copied());
    let zeroed = Allocation::zeroed(length.min(1 << 21)).unwrap();
    assert!(matches!(ends(zeroed.as_slice()), (None | Some(0), None | Some(0))));
    allocation.as_mut_slice().fill(0xEE);
    let address = allocation.as_slice().as_ptr();
    let shared = SharedAllocation::new(allocation);
    let other = shared.clone();
    drop(shared);
    assert!(other.is_empty() || other.address().cast_const() == address);
    assert!(other.as_ref().iter().all(|byte| *byte == 0xEE));
    if input.ratio(1, 8)? {
        pool().drain(input.arbitrary()?);
    }
    assert!(pool().bytes() <= pool().limit());
    Ok(())
}

fn slots(input: &mut Unstructured) -> Result<()> {
    let size = input.int_in_range(0..=5000_usize)?;
    let (landing, first) = Landing::new(Allocation::zeroed(size).unwrap());
    let mut model = vec![0_u8; size];
    let mut slots: Vec<Slot> = vec![first];
    for _ in 0..input.int_in_range(0..=40_u8)? {
        let at = input.choose_index(slots.len())?;
        let slot = &mut slots[at];
        match input.int_in_range(0..=3_u8)? {
            0 => {
                let rest = slot.split_off(input.int_in_range(0..=size)?);
                assert_eq!(slot.start() + slot.len(), rest.start());
                slots.push(rest);
            }
            1 => slot.restart(),
            2 => {
                let seen = slot.read(input.int_in_range(0..=size)?, <[u8]>::to_vec).unwrap();
                let end = slot.start() + slot.filled();
                assert_eq!(seen, &model[end - seen.len()..end]);
            }
            _ => {
                let most = input.int_in_range(0..=size + 1)?;
                let byte: u8 = input.arbitrary()?;
                // A source may write less than it has room for, and say more than it wrote.
                let said = input.int_in_range(0..=size * 2)?;
                let from = slot.start() + slot.filled();
                let written = slot.fill(most, |room| {
                    room.fill(byte);
                    Ok(said)
                });
                let written = written.unwrap();
                let room = most.min(slot.missing() + written);
                assert_eq!(written, said.min(room));
                model[from..from + room].fill(byte);
                assert!(slot.filled() <= slot.len());
            }
        }
    }
    slots.sort_by_key(|slot| (slot.start(), slot.len()));
    let mut end = 0;
    for slot in &slots {
        assert_eq!(slot.start(), end);
        end += slot.len();
    }
    assert_eq!(end, size);
    if let Some(slot) = slots.pop() {
        assert!(!slots.is_empty() || slot.len() == size);
        drop((slots, slot));
    }
    assert_eq!(landing.finish().unwrap().as_slice(), model);
    Ok(())
}

fn handles(input: &mut Unstructured) -> Result<()> {
    let table: SlotTable<u32> = SlotTable::new(input.int_in_range(0..=7)?);
    let mut live: Vec<(Handle, u32)> = Vec::new();
    let mut dead: Vec<Handle> = Vec::new();
    for number in 0..input.int_in_range(0..=60_u32)? {
        match input.int_in_range(0..=3_u8)? {
            0 if !live.is_empty() => {
                let (handle, content) = live.swap_remove(input.choose_index(live.len())?);
                assert_eq!(table.remove(handle), Ok(content));
                dead.push(handle);
            }
            1 if !dead.is_empty() => {
                let handle = *input.choose(&dead)?;
                assert_eq!(table.with(handle, |_| ()), Err(StaleHandle));
                assert_eq!(table.remove(handle), Err(StaleHandle));
            }
            2 => {
                let number: f64 = input.arbitrary()?;
                if let Some(handle) = Handle::from_number(number) {
                    assert_eq!(handle.to_number(), number);
                    let known = live.iter().any(|(other, _)| *other == handle);
                    assert_eq!(table.with(handle, |_| ()).is_ok(), known);
                }
            }
            _ => {
                let handle = table.insert(number).unwrap();
                assert_eq!(Handle::from_number(handle.to_number()), Some(handle));
                assert!(!dead.contains(&handle));
                live.push((handle, number));
            }
        }
    }
    assert_eq!(table.len(), live.len());
    for (handle, content) in live {
        assert_eq!(table.with(handle, |content| *content), Ok(content));
    }
    Ok(())
}
