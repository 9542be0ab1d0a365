/** Reads from a server that announces absurd lengths. Prints the errors' names. */
import { S3Client } from "../../../mod.ts";
import { gcUntilZero } from "./gc_until_zero.ts";

const LENGTHS = [
  "1000000000000",
  "4611686018427387904",
  "9007199254740993",
  "9223372036854775807",
  "9223372036854775808",
  "18446744073709551615",
  "99999999999999999999",
  "-1",
];

const names: Record<string, string[]> = {};
for (const length of LENGTHS) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\nETag: "x"\r\n\r\nhello`;
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(8192)).catch(() => {});
      await connection.write(new TextEncoder().encode(head)).catch(() => {});
      setTimeout(() => connection.close(), 100);
    }
  })();
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${listener.addr.port}`,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    retries: 0,
  });
  const file = client.file("s3://bucket/object");
  const reads = [() => file.bytes(), () => file.buffer(), () => file.into(new Uint8Array(8))];
  names[length] = [];
  for (const read of reads) {
    await read().then(
      () => names[length]?.push("nothing"),
      (error) => names[length]?.push(error.name),
    );
  }
  listener.close();
  await serving;
  client.dispose();
}
console.log(JSON.stringify({ names, end: await gcUntilZero() }));
