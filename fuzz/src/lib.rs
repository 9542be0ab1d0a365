//! What several fuzz targets need.

pub mod boundary;
pub mod crc;
pub mod engine;
pub mod messages;
