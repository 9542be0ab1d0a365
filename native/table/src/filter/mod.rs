//! Conditions on rows: what `where` takes.
//!
//! A text is read once (`Filter::parse`), bound to the columns of a file (`Filter::bind`), and
//! then tells of each batch which rows are wanted (`BoundFilter::mask`), and of each part of a
//! file, from what is known about it, whether any could be (`BoundFilter::could_match`).
//!
//! A condition is true, false or, where a value is missing, neither; rows where it is true are
//! wanted. Floats compare as in IEEE 754, and so as in JavaScript: NaN equals nothing.

mod bind;
mod evaluate;
mod number;
mod statistics;
mod syntax;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, Schema};
use arrow_select::filter::prep_null_mask_filter;
use dipper_core::{Error, Status};

use bind::Node;
pub use statistics::Statistics;
use syntax::Expr;

/// A condition that was read.
#[derive(Debug)]
pub struct Filter {
    expr: Expr,
    columns: Vec<String>,
}

impl Filter {
    /// Reads a condition.
    ///
    /// # Errors
    /// `InvalidInput`, with the place, for what is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let expr = syntax::parse(text)?;
        let mut columns = BTreeSet::new();
        expr.columns(&mut |path| columns.extend(path.first().cloned()));
        Ok(Self { expr, columns: columns.into_iter().collect() })
    }

    /// The columns that it names, each once.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Binds it to columns: types are checked, and what stands in the text becomes theirs.
    ///
    /// # Errors
    /// `InvalidInput`, with the place, for columns that are not there and for what does not
    /// compare.
    pub fn bind(&self, schema: &Schema) -> Result<BoundFilter, Error> {
        Ok(BoundFilter { node: bind::bind(&self.expr, schema)?, columns: self.columns.clone() })
    }
}

/// A condition on batches whose columns have certain types.
#[derive(Debug)]
pub struct BoundFilter {
    node: Node,
    columns: Vec<String>,
}

/// Values of a column of which a wanted row has one.
#[derive(Debug)]
pub struct Points {
    /// The column.
    pub column: String,
    /// The values, of the column's type; that of its values, if it is a dictionary.
    pub values: ArrayRef,
}

impl BoundFilter {
    /// The columns that it needs, each once.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Which rows are wanted. Columns are found by name; nothing of the result is null.
    ///
    /// # Errors
    /// `InvalidInput` for an integer that becomes too large.
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray, Error> {
        let mask = evaluate::node(&self.node, batch).map_err(failed)?;
        Ok(if mask.nulls().is_some() { prep_null_mask_filter(&mask) } else { mask })
    }

    /// Whether a part of a file could have a row that is wanted, for many parts at once: `rows`
    /// has how many rows each has, and `known` what is known about a column in them. False only
    /// where it is certain.
    #[must_use]
    pub fn could_match(
        &self,
        rows: &[u64],
        known: &dyn Fn(&str) -> Option<Statistics>,
    ) -> Vec<bool> {
        statistics::could_match(&self.node, rows, known)
    }

    /// What each wanted row has: for each entry, one of its values. A part of a file that has
    /// none of the values of one entry has no wanted row; bloom filters tell.
    #[must_use]
    pub fn points(&self) -> Vec<Points> {
        statistics::points(&self.node)
    }
}

fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::ArithmeticOverflow(_) | ArrowError::CastError(_) => {
            Error::invalid(format!("`where` computes a number that is too large: {error}"))
        }
        other => Error::new(Status::Internal, format!("`where` cannot be computed: {other}")),
    }
}
