/** A Worker with four operations that never end: at the endpoint it is told; without one, idle. */
import { memory, RustBuffer, S3Client } from "../../../mod.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<string>) => void;
  postMessage(answer: number): void;
};

scope.onmessage = ({ data: endpoint }) => {
  if (endpoint !== "") {
    const client = new S3Client({
      endpoint,
      region: "us-east-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
    });
    const file = client.file("s3://bucket/object");
    void Promise.allSettled([
      file.bytes(),
      file.buffer(),
      file.into(new Uint8Array(1 << 20)),
      file.write(new RustBuffer(1 << 20)),
    ]);
  }
  setTimeout(() => scope.postMessage(memory().operations), 200);
};
