/**
 * A journal written anew: whole beside the old one first, then in its place.
 *
 * @module
 */
import { AppendFile } from './append-file.ts'
import { removeIfPossible, removeIfThere } from './directory.ts'
import { frameOf } from './frame.ts'
import type { NodeModules } from './node.ts'

/** The file goes to disk in pieces of about so many characters. */
const PIECE = 1 << 20

/**
 * Puts a file of these payloads in the place of a journal. A crash leaves the one or the other, whole.
 *
 * @param path The journal that is replaced.
 * @param payloads What the new one holds.
 * @returns The new file, open, with its content on the disk. Its name is not: sync the directory.
 * @throws The error of the file system, or of `payloads`; the old journal is untouched then.
 */
export function replacementOf(path: string, payloads: Iterable<string>, node: NodeModules): AppendFile {
  const unfinished = unfinishedOf(path)
  removeIfThere(unfinished, node)
  const file = new AppendFile(unfinished, node)
  try {
    for (const piece of piecesOf(payloads, node)) file.append(piece)
    file.sync()
    node.fs.renameSync(unfinished, path)
    return file
  } catch (error) {
    file.closeQuietly()
    removeIfPossible(unfinished, node)
    throw error
  }
}

/**
 * What a journal is called until it is whole. No reader takes it for a journal, and who adopts a journal can tell what
 * its dead owner has left of one.
 *
 * @param path The journal that it is to replace.
 */
export function unfinishedOf(path: string): string {
  return `${path}.new`
}

/** Frames of payloads, joined to pieces that are worth a write. */
function* piecesOf(payloads: Iterable<string>, { zlib }: NodeModules): Iterable<string> {
  let piece = ''
  for (const payload of payloads) {
    piece += frameOf(payload, zlib.crc32)
    if (piece.length < PIECE) continue
    yield piece
    piece = ''
  }
  yield piece
}
