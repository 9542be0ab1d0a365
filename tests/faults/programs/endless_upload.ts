// Uploads without an end, to the server named by its arguments, and says when parts are there.
// With "listens" it listens to SIGINT itself, says so, and goes on.

import { S3Client } from "../../../mod.ts";

const [endpoint = "", region = "", accessKeyId = "", secretAccessKey = "", listens] = Deno.args;
if (listens === "listens") Deno.addSignalListener("SIGINT", () => console.log("heard"));
const client = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
let told = false;
await client.file("s3://bucket/endless").write(
  (async function* () {
    while (true) {
      yield new Uint8Array(1024 * 1024);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })(),
  {
    onProgress({ bytes }) {
      if (bytes < 20 * 1024 * 1024 || told) return;
      told = true;
      console.log("begun");
    },
  },
);
