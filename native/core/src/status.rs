//! The one list of error statuses. A number is never given to something else; a retired
//! one stays reserved. Every language's errors follow from this table.

/// The class of an error, as users name it in `instanceof`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorClass(pub &'static str);

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $number:literal $name:ident : $class:literal, $retryable:literal;)+) => {
        /// Why an operation failed: the `code` of an error.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u32)]
        pub enum Status { $($(#[doc = $doc])+ $name = $number,)+ }

        impl Status {
            /// Every status, in the order of the numbers.
            pub const ALL: &'static [Status] = &[$(Status::$name,)+];

            /// The name, which is the `code` that users see.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Status::$name => stringify!($name),)+ }
            }

            /// The class that it belongs to.
            #[must_use]
            pub fn class(self) -> ErrorClass {
                match self { $(Status::$name => ErrorClass($class),)+ }
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Status::$name => $retryable,)+ }
            }

            /// What it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Status::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

statuses! {
    /// The bucket holds no object under this key.
    1 NoSuchKey: "NotFoundError", false;
    /// The bucket does not exist.
    2 NoSuchBucket: "NotFoundError", false;
    /// The server says "not found" and no more.
    3 NotFound: "NotFoundError", false;
    /// The server refuses these credentials this operation.
    10 AccessDenied: "AccessDeniedError", false;
    /// The server does not know the access key.
    11 InvalidAccessKey: "AccessDeniedError", false;
    /// The signature is wrong: most often the secret key.
    12 WrongSignature: "AccessDeniedError", false;
    /// The session token or the signature is too old, or this clock is wrong.
    13 Expired: "AccessDeniedError", false;
    /// The caller gave something that cannot be meant.
    20 InvalidInput: "InvalidInputError", false;
    /// The server calls the request malformed.
    21 InvalidRequest: "InvalidInputError", false;
    /// The asked range lies outside the object.
    22 InvalidRange: "InvalidInputError", false;
    /// The bucket name breaks S3's rules or is taken.
    23 BucketUnavailable: "InvalidInputError", false;
    /// The bucket still holds objects.
    24 BucketNotEmpty: "InvalidInputError", false;
    /// A buffer was used after it was disposed, adopted or transferred.
    25 BufferGone: "InvalidInputError", false;
    /// A client was used after it was disposed.
    26 ClientGone: "InvalidInputError", false;
    /// A file cannot be read or written.
    27 FileFailed: "InvalidInputError", false;
    /// A line or a message is longer than allowed.
    28 TooLong: "InvalidInputError", false;
    /// The bytes are not text of that encoding.
    29 InvalidText: "InvalidInputError", false;
    /// A condition such as `ifMatch` does not hold.
    30 PreconditionFailed: "PreconditionFailedError", false;
    /// The object changed while it was read.
    31 ObjectChanged: "PreconditionFailedError", true;
    /// The bytes are not those that were stored.
    40 ChecksumMismatch: "IntegrityError", true;
    /// Compressed data or messages are damaged or cut short.
    41 DamagedData: "IntegrityError", false;
    /// Nobody answered in time.
    50 Timeout: "TimeoutError", true;
    /// The connection stopped delivering.
    51 Stalled: "TimeoutError", true;
    /// The host cannot be reached.
    60 ConnectionFailed: "NetworkError", true;
    /// The connection broke in the middle of an answer.
    61 ConnectionBroken: "NetworkError", true;
    /// The host name does not resolve.
    62 UnknownHost: "NetworkError", true;
    /// The answer is not that of an S3 server.
    63 NotS3: "NetworkError", false;
    /// The server reports a failure of its own.
    64 ServerFailure: "NetworkError", true;
    /// The server asks to slow down.
    65 SlowDown: "NetworkError", true;
    /// The bucket lives in another region.
    66 WrongRegion: "NetworkError", false;
    /// The TLS handshake failed.
    67 TlsFailed: "NetworkError", false;
    /// The bytes do not fit the memory that may be held.
    70 BudgetExceeded: "BudgetExceededError", false;
    /// The system has no memory left.
    71 OutOfMemory: "BudgetExceededError", true;
    /// Deno's permissions do not allow it.
    80 PermissionDenied: "PermissionError", false;
    /// No credentials were found.
    90 NoCredentials: "CredentialsError", false;
    /// A credentials provider failed.
    91 CredentialsFailed: "CredentialsError", false;
    /// dipper or the server does not do that.
    100 Unsupported: "UnsupportedError", false;
    /// The native library was not found, or is not the one that belongs to this module.
    101 LibraryNotLoaded: "UnsupportedError", false;
    /// V8 lacks a feature; the message names the flag.
    102 FeatureDisabled: "UnsupportedError", false;
    /// A defect of dipper.
    110 Internal: "InternalError", false;
    /// A handle that was released, or never given out.
    111 StaleHandle: "InternalError", false;
    /// The operation was cancelled.
    120 Cancelled: "InternalError", false;
    /// Stop ended the call: the notebook's user interrupted the cell.
    121 Stopped: "InternalError", false;
    /// Some of many transfers failed; the report tells which and why.
    130 TransferFailed: "TransferError", false;
}

impl Status {
    /// The status of a number, if it has one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| *status as u32 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_ascending() {
        assert!(Status::ALL.windows(2).all(|pair| (pair[0] as u32) < pair[1] as u32));
        for status in Status::ALL {
            assert_eq!(Status::from_number(*status as u32), Some(*status));
            assert!(status.class().0.ends_with("Error"));
            assert!(!status.meaning().is_empty());
        }
        assert_eq!(Status::from_number(0), None);
    }
}
