/** The two halves of a file that outlasts a power cut: its bytes, and its name. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/**
 * Writes a file that must not be there yet, and waits until its bytes are on the disk. Not through a symbolic link,
 * so nobody else decides where the text goes. The file gets `mode` whatever the umask is.
 */
export async function writeNewFile(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(text);
    await file.chmod(mode); // not open()'s mode: the umask would cut it
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Waits until the names in this directory are on the disk: a rename or a link that came before outlasts a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
