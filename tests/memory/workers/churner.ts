/** A Worker that reads, writes and churns buffers, and tells what was not as it should be. */
import { RustBuffer, S3Client, type S3ClientOptions } from "../../../mod.ts";

/** What it is asked. The bucket holds a stamped `object`. */
export interface ToChurner {
  options: S3ClientOptions;
  name: string;
  rounds: number;
}

/** What it answers. */
export interface Churned {
  right: number;
  wrong: string[];
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToChurner>) => Promise<void>;
  postMessage(answer: Churned): void;
};

function stamped(bytes: Uint8Array<ArrayBuffer>): boolean {
  return new Uint32Array(bytes.buffer, bytes.byteOffset).every((word, at) => word === at);
}

scope.onmessage = async ({ data }) => {
  using client = new S3Client(data.options);
  const object = client.file("s3://bucket/object");
  const answer: Churned = { right: 0, wrong: [] };
  for (let round = 0; round < data.rounds; round++) {
    const [bytes, buffer, filled] = await Promise.all([
      object.bytes(),
      object.buffer(),
      object.into(new Uint8Array(1 << 20)),
    ]);
    const own = client.file(`s3://bucket/${data.name}/${round}`);
    await own.write(buffer);
    for (let i = 0; i < 50; i++) {
      const other = new RustBuffer(1 + i * 1000);
      other.view().fill(0xff);
      if (i % 3 !== 0) other.dispose();
    }
    const sound = stamped(bytes) && stamped(buffer.view()) && stamped(filled) &&
      stamped(await own.bytes());
    buffer.dispose();
    if (sound) answer.right++;
    else answer.wrong.push(`round ${round}`);
  }
  scope.postMessage(answer);
};
