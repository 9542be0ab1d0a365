//! Numbers of a column that lie where they stay as soon as they are parsed.
//!
//! A builder of Arrow takes fresh memory, whose pages come one by one while it is written, and
//! numbers that are added together are copied there. Here there is room for all rows from the
//! beginning, in memory that is recycled, or that comes at once.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Float64Type};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, NullBufferBuilder, ScalarBuffer};
use bytemuck::Pod;
use bytes::Bytes;
use dipper_wire::{Allocation, SharedAllocation};

/// A column of numbers that is being filled.
pub(crate) struct FilledNumbers<N> {
    memory: Allocation,
    rows: usize,
    valid: NullBufferBuilder,
    kind: std::marker::PhantomData<N>,
}

impl<N: Pod + ArrowNativeType> FilledNumbers<N> {
    /// Room for so many rows; nothing where there is no memory left.
    pub(crate) fn new(rows: usize) -> Option<Self> {
        let memory = Allocation::recycled_to_fill(rows.checked_mul(size_of::<N>())?).ok()?;
        let (valid, kind) = (NullBufferBuilder::new(rows), std::marker::PhantomData);
        Some(Self { memory, rows: 0, valid, kind })
    }

    /// Adds a row for each of the fields, of which there are `count`: what `parse` makes of it, or
    /// none. Nothing, where `parse` gives up or there is no room; what was added then counts for
    /// nothing.
    #[inline]
    pub(crate) fn add<F>(
        &mut self,
        count: usize,
        fields: impl Iterator<Item = F>,
        mut parse: impl FnMut(F) -> Option<Option<N>>,
    ) -> Option<()> {
        let numbers: &mut [N] = bytemuck::try_cast_slice_mut(self.memory.as_mut_slice()).ok()?;
        let end = self.rows.checked_add(count)?;
        let mut there = 0;
        for (place, field) in numbers.get_mut(self.rows..end)?.iter_mut().zip(fields) {
            match parse(field)? {
                Some(number) => {
                    *place = number;
                    there += 1;
                }
                None => {
                    *place = N::default();
                    self.valid.append_n_non_nulls(there);
                    self.valid.append_null();
                    there = 0;
                }
            }
        }
        self.valid.append_n_non_nulls(there);
        self.rows = end;
        (self.valid.len() == end).then_some(())
    }

    /// The numbers, to be changed where they lie; zero where there is none.
    pub(crate) fn numbers(&mut self) -> Option<&mut [N]> {
        bytemuck::try_cast_slice_mut(self.memory.as_mut_slice()).ok()?.get_mut(..self.rows)
    }

    /// The column.
    pub(crate) fn finish<T: ArrowPrimitiveType<Native = N>>(self) -> ArrayRef {
        let (values, rows, nulls) = self.into_parts();
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(values, 0, rows), nulls))
    }

    /// The column, whose numbers have become the bits of floating-point ones.
    pub(crate) fn finish_as_float64(self) -> ArrayRef {
        let (values, rows, nulls) = self.into_parts();
        Arc::new(PrimitiveArray::<Float64Type>::new(ScalarBuffer::new(values, 0, rows), nulls))
    }

    fn into_parts(mut self) -> (Buffer, usize, Option<NullBuffer>) {
        let memory = Bytes::from_owner(SharedAllocation::new(self.memory));
        (Buffer::from(memory), self.rows, self.valid.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::Int64Type;
    use arrow_array::{Array, Float64Array, Int64Array};

    #[test]
    fn numbers_and_nulls_come_in_their_order() {
        let mut random = fastrand::Rng::with_seed(5);
        for most in [0, 1, 2, 9] {
            let rows: Vec<Option<i64>> = (0..10_000)
                .map(|_| (most == 0 || random.u8(0..most) > 0).then(|| random.i64(-99..99)))
                .collect();
            let mut column = FilledNumbers::new(rows.len() + 7).unwrap();
            for some in rows.chunks(777) {
                column.add(some.len(), some.iter(), |number| Some(*number)).unwrap();
            }
            let column = column.finish::<Int64Type>();
            assert_eq!(&*column, &Int64Array::from(rows) as &dyn Array);
        }
    }

    #[test]
    fn what_cannot_be_added_is_given_up() {
        let mut column = FilledNumbers::new(3).unwrap();
        assert_eq!(column.add(2, [1_i64, 2].iter(), |number| Some(Some(*number))), Some(()));
        assert_eq!(column.add(2, [3, 4].iter(), |number| Some(Some(*number))), None);
        let mut column = FilledNumbers::<i64>::new(3).unwrap();
        assert_eq!(column.add(2, [1, 2].iter(), |_| None), None);
        let mut column = FilledNumbers::<i64>::new(3).unwrap();
        assert_eq!(column.add(2, [1].iter(), |number| Some(Some(*number))), None, "too few");
    }

    #[test]
    fn they_change_where_they_lie() {
        let mut column = FilledNumbers::new(40_000).unwrap();
        column.add(3, [Some(1), None, Some(-3)].iter(), |number| Some(*number)).unwrap();
        let numbers = column.numbers().unwrap();
        assert_eq!(numbers, [1, 0, -3]);
        let address = numbers.as_ptr() as usize;
        numbers.iter_mut().for_each(|number| *number = (*number as f64).to_bits().cast_signed());
        let column = column.finish_as_float64();
        let told = Float64Array::from(vec![Some(1.0), None, Some(-3.0)]);
        assert_eq!(&*column, &told as &dyn Array);
        assert_eq!(column.to_data().buffers()[0].as_ptr() as usize, address);
    }
}
