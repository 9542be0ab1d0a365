// Scales shared numbers, again and again, while other Workers do the same.
import { checksumBytes, scaleInplace } from "dipper";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Float64Array>) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data }) => {
  for (let round = 0; round < 200; round++) {
    scaleInplace(data, 2);
    checksumBytes(data);
  }
  scope.postMessage("done");
};
