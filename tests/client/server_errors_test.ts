// What a server reports becomes one class, one code and a message that says what to do.

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  type DipperError,
  IntegrityError,
  InvalidInputError,
  memory,
  NetworkError,
  NotFoundError,
  PreconditionFailedError,
  S3Client,
  UnsupportedError,
} from "dipper";
import { ScriptedServer } from "../storage/scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

interface Case {
  status: number;
  /** The code in the answer's XML. */
  says: string;
  headers?: Record<string, string>;
  /** What it becomes. */
  made: typeof DipperError;
  code: string;
  retryable?: boolean;
  /** What the message has to say beside the address. */
  words: string[];
}

const cases: Case[] = [
  {
    status: 404,
    says: "NoSuchKey",
    made: NotFoundError,
    code: "NoSuchKey",
    words: ["s3://bucket/key", "list s3://bucket/ to see its keys"],
  },
  {
    status: 404,
    says: "NoSuchBucket",
    made: NotFoundError,
    code: "NoSuchBucket",
    words: ["the bucket bucket", "buckets() lists yours"],
  },
  {
    status: 403,
    says: "AccessDenied",
    made: AccessDeniedError,
    code: "AccessDenied",
    words: ["s3://bucket/key", "policy"],
  },
  {
    status: 403,
    says: "InvalidAccessKeyId",
    made: AccessDeniedError,
    code: "InvalidAccessKey",
    words: ["check accessKeyId"],
  },
  {
    status: 403,
    says: "SignatureDoesNotMatch",
    made: AccessDeniedError,
    code: "WrongSignature",
    words: ["check secretAccessKey"],
  },
  {
    status: 400,
    says: "ExpiredToken",
    made: AccessDeniedError,
    code: "Expired",
    words: ["renew the session"],
  },
  {
    status: 403,
    says: "RequestTimeTooSkewed",
    made: AccessDeniedError,
    code: "Expired",
    words: ["clock"],
  },
  {
    status: 301,
    says: "PermanentRedirect",
    headers: { "x-amz-bucket-region": "ap-south-1" },
    made: NetworkError,
    code: "WrongRegion",
    words: ["ap-south-1", "eu-central-1", 'region: "ap-south-1"'],
  },
  {
    status: 400,
    says: "AuthorizationHeaderMalformed",
    headers: { "x-amz-bucket-region": "ap-south-1" },
    made: NetworkError,
    code: "WrongRegion",
    words: ['region: "ap-south-1"'],
  },
  {
    status: 412,
    says: "PreconditionFailed",
    made: PreconditionFailedError,
    code: "PreconditionFailed",
    words: ["stat() tells"],
  },
  {
    status: 409,
    says: "ConditionalRequestConflict",
    made: PreconditionFailedError,
    code: "PreconditionFailed",
    words: ["condition"],
  },
  {
    status: 409,
    says: "BucketNotEmpty",
    made: InvalidInputError,
    code: "BucketNotEmpty",
    words: ["delete its objects first"],
  },
  {
    status: 409,
    says: "BucketAlreadyOwnedByYou",
    made: InvalidInputError,
    code: "BucketUnavailable",
    words: ["choose another name"],
  },
  {
    status: 400,
    says: "BadDigest",
    made: IntegrityError,
    code: "ChecksumMismatch",
    retryable: true,
    words: ["changed on their way"],
  },
  {
    status: 501,
    says: "NotImplemented",
    made: UnsupportedError,
    code: "Unsupported",
    words: ["does not support"],
  },
  {
    status: 503,
    says: "SlowDown",
    made: NetworkError,
    code: "SlowDown",
    retryable: true,
    words: ["slow down"],
  },
  {
    status: 500,
    says: "InternalError",
    made: NetworkError,
    code: "ServerFailure",
    retryable: true,
    words: ["failed"],
  },
  {
    status: 400,
    says: "SomethingNobodyHeardOf",
    made: InvalidInputError,
    code: "InvalidRequest",
    words: ["the server's own words"],
  },
];

describe("a server's error", () => {
  for (const { status, says, headers, made, code, retryable, words } of cases) {
    it(`${status} ${says} is a ${made.name} with the code ${code}`, async () => {
      await using server = await ScriptedServer.start((_, reply) =>
        reply.answer(
          status,
          { "content-type": "application/xml", "x-amz-request-id": "REQ42", ...headers },
          `<?xml version="1.0"?><Error><Code>${says}</Code><Message>the server's own words</Message></Error>`,
        )
      );
      using client = new S3Client({
        endpoint: server.endpoint,
        region: "eu-central-1",
        credentials: { accessKeyId: "id", secretAccessKey: "secret" },
        retries: 0,
      });
      const calls = [
        () => client.file("s3://bucket/key").bytes(),
        () => client.file("s3://bucket/key").write("x"),
      ];
      for (const call of calls) {
        const error = await call().then(() => undefined, (reason) => reason);
        assertInstanceOf(error, made);
        assertEquals(error.name, made.name);
        assertEquals([error.code, error.status], [code, status]);
        assertEquals([error.uri, error.requestId], ["s3://bucket/key", "REQ42"]);
        assertEquals(error.retryable, retryable ?? false);
        assertStringIncludes(error.message, "REQ42");
        for (const word of words) assertStringIncludes(error.message, word);
        if (error.hint !== undefined) assert(error.message.endsWith(error.hint), error.message);
        assert(error.stack?.includes(error.message), "the stack begins with the message");
      }
    });
  }
});
