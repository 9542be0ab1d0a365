//! The structures of Parquet's descriptions, as far as decoders read them.
//!
//! From <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use super::thrift::Shape::{Binary, Bool, Byte, Double, I16, I32, I64, List, Struct};
use super::thrift::{Layout, Shape};

const fn layout(name: &'static str, fields: &'static [(i16, Shape)]) -> Layout {
    Layout { name, fields }
}

static EMPTY: Layout = layout("Empty", &[]);
static NOTHING: Shape = Struct(&EMPTY);
static INTEGER: Shape = I32;
static LONG: Shape = I64;
static FLAG: Shape = Bool;
static BYTES: Shape = Binary;

pub(super) static FILE: Layout = layout(
    "FileMetaData",
    &[
        (1, I32),
        (2, List(&Struct(&SCHEMA_ELEMENT))),
        (3, I64),
        (4, List(&Struct(&ROW_GROUP))),
        (5, List(&Struct(&KEY_VALUE))),
        (6, Binary),
        (7, List(&Struct(&COLUMN_ORDER))),
    ],
);
pub(super) static SCHEMA_ELEMENT: Layout = layout(
    "SchemaElement",
    &[
        (1, I32),
        (2, I32),
        (3, I32),
        (4, Binary),
        (5, I32),
        (6, I32),
        (7, I32),
        (8, I32),
        (9, I32),
        (10, Struct(&LOGICAL_TYPE)),
    ],
);
static LOGICAL_TYPE: Layout = layout(
    "LogicalType",
    &[
        (1, NOTHING),
        (2, NOTHING),
        (3, NOTHING),
        (4, NOTHING),
        (5, Struct(&DECIMAL)),
        (6, NOTHING),
        (7, Struct(&TIME)),
        (8, Struct(&TIME)),
        (10, Struct(&INTEGER_TYPE)),
        (11, NOTHING),
        (12, NOTHING),
        (13, NOTHING),
        (14, NOTHING),
        (15, NOTHING),
        (16, Struct(&VARIANT)),
        (17, Struct(&GEOMETRY)),
        (18, Struct(&GEOGRAPHY)),
    ],
);
static DECIMAL: Layout = layout("DecimalType", &[(1, I32), (2, I32)]);
static TIME: Layout = layout("TimeType", &[(1, Bool), (2, Struct(&TIME_UNIT))]);
static TIME_UNIT: Layout = layout("TimeUnit", &[(1, NOTHING), (2, NOTHING), (3, NOTHING)]);
static INTEGER_TYPE: Layout = layout("IntType", &[(1, Byte), (2, Bool)]);
static VARIANT: Layout = layout("VariantType", &[(1, Byte)]);
static GEOMETRY: Layout = layout("GeometryType", &[(1, Binary)]);
static GEOGRAPHY: Layout = layout("GeographyType", &[(1, Binary), (2, I32)]);
static KEY_VALUE: Layout = layout("KeyValue", &[(1, Binary), (2, Binary)]);
static COLUMN_ORDER: Layout = layout("ColumnOrder", &[(1, NOTHING), (2, NOTHING)]);
static ROW_GROUP: Layout = layout(
    "RowGroup",
    &[
        (1, List(&Struct(&COLUMN_CHUNK))),
        (2, I64),
        (3, I64),
        (4, List(&Struct(&SORTING_COLUMN))),
        (5, I64),
        (6, I64),
        (7, I16),
    ],
);
static SORTING_COLUMN: Layout = layout("SortingColumn", &[(1, I32), (2, Bool), (3, Bool)]);
static COLUMN_CHUNK: Layout = layout(
    "ColumnChunk",
    &[(1, Binary), (2, I64), (3, Struct(&COLUMN)), (4, I64), (5, I32), (6, I64), (7, I32)],
);
static COLUMN: Layout = layout(
    "ColumnMetaData",
    &[
        (1, I32),
        (2, List(&INTEGER)),
        (4, I32),
        (5, I64),
        (6, I64),
        (7, I64),
        (9, I64),
        (10, I64),
        (11, I64),
        (12, Struct(&STATISTICS)),
        (13, List(&Struct(&ENCODING_STATISTICS))),
        (14, I64),
        (15, I32),
        (16, Struct(&SIZE_STATISTICS)),
        (17, Struct(&GEOSPATIAL)),
    ],
);
static STATISTICS: Layout = layout(
    "Statistics",
    &[(1, Binary), (2, Binary), (3, I64), (4, I64), (5, Binary), (6, Binary), (7, Bool), (8, Bool)],
);
static ENCODING_STATISTICS: Layout = layout("PageEncodingStats", &[(1, I32), (2, I32), (3, I32)]);
static SIZE_STATISTICS: Layout =
    layout("SizeStatistics", &[(1, I64), (2, List(&LONG)), (3, List(&LONG))]);
static GEOSPATIAL: Layout =
    layout("GeospatialStatistics", &[(1, Struct(&BOX)), (2, List(&INTEGER))]);
static BOX: Layout = layout(
    "BoundingBox",
    &[
        (1, Double),
        (2, Double),
        (3, Double),
        (4, Double),
        (5, Double),
        (6, Double),
        (7, Double),
        (8, Double),
    ],
);

pub(super) static PAGE: Layout = layout(
    "PageHeader",
    &[
        (1, I32),
        (2, I32),
        (3, I32),
        (4, I32),
        (5, Struct(&DATA_PAGE)),
        (6, NOTHING),
        (7, Struct(&DICTIONARY_PAGE)),
        (8, Struct(&DATA_PAGE_2)),
    ],
);
pub(super) static DATA_PAGE: Layout =
    layout("DataPageHeader", &[(1, I32), (2, I32), (3, I32), (4, I32)]);
pub(super) static DICTIONARY_PAGE: Layout =
    layout("DictionaryPageHeader", &[(1, I32), (2, I32), (3, Bool)]);
pub(super) static DATA_PAGE_2: Layout = layout(
    "DataPageHeaderV2",
    &[(1, I32), (2, I32), (3, I32), (4, I32), (5, I32), (6, I32), (7, Bool)],
);
pub(super) static OFFSET_INDEX: Layout =
    layout("OffsetIndex", &[(1, List(&Struct(&PAGE_LOCATION))), (2, List(&LONG))]);
static PAGE_LOCATION: Layout = layout("PageLocation", &[(1, I64), (2, I32), (3, I64)]);
pub(super) static COLUMN_INDEX: Layout = layout(
    "ColumnIndex",
    &[
        (1, List(&FLAG)),
        (2, List(&BYTES)),
        (3, List(&BYTES)),
        (4, I32),
        (5, List(&LONG)),
        (6, List(&LONG)),
        (7, List(&LONG)),
    ],
);

pub(super) static BLOOM_HEADER: Layout = layout(
    "BloomFilterHeader",
    &[(1, I32), (2, Struct(&BLOOM_CHOICE)), (3, Struct(&BLOOM_CHOICE)), (4, Struct(&BLOOM_CHOICE))],
);
static BLOOM_CHOICE: Layout = layout("BloomFilterChoice", &[(1, NOTHING)]);
