//! What decoders report, as errors of dipper.

use std::any::Any;

use arrow_schema::ArrowError;
use dipper_core::{Error, Status};
use parquet::errors::ParquetError;
use tokio::task::JoinError;

/// A file that a decoder gave up on.
pub(crate) fn damaged(format: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Status::DamagedData, format!("this {format} file cannot be decoded: {why}"))
        .hint("the file is damaged, cut short, or of another format than its name says")
}

/// What the decoder of Parquet reports.
pub(crate) fn of_parquet(error: ParquetError) -> Error {
    match error {
        ParquetError::NYI(what) => {
            Error::new(Status::Unsupported, format!("this Parquet file cannot be decoded: {what}"))
        }
        other => damaged("Parquet", other),
    }
}

/// What the other decoders report.
pub(crate) fn of_arrow(format: &str, error: ArrowError) -> Error {
    match error {
        ArrowError::NotYetImplemented(what) => {
            Error::new(Status::Unsupported, format!("this {format} file cannot be decoded: {what}"))
        }
        other => damaged(format, other),
    }
}

/// What a decoder brought that ran on a thread of its own. It may have panicked: a file that
/// lies makes some of them do.
pub(crate) fn joined<T>(
    format: &str,
    ended: Result<Result<T, Error>, JoinError>,
) -> Result<T, Error> {
    match ended {
        Ok(brought) => brought,
        Err(error) if error.is_panic() => Err(damaged(format, said(&*error.into_panic()))),
        Err(_) => Err(Error::cancelled()),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the decoder gave up".to_owned())
}
