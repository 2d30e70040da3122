/** A folder of a test's own on a host with a lease: its subnet file is in it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The lease 10.244.7.0/24 with MTU 1450, as an agent with `--ip-masq` writes it. */
const SUBNET_FILE = `FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.7.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
`;

/** Goes with all that is in it. */
export class LeasedFolder implements AsyncDisposable {
  readonly directory: string;
  readonly subnetFile: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.subnetFile = join(directory, "subnet.env");
  }

  static async create(): Promise<LeasedFolder> {
    const folder = new LeasedFolder(await mkdtemp(join(tmpdir(), "twill-leased-")));
    await writeFile(folder.subnetFile, SUBNET_FILE);
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}
