/**
 * A process that holds a journal in a directory until it is killed, and claims what the dead have left when it is told.
 * Arguments: the directory, and what to commit first. It says its name and each claim's result to its parent.
 */
import { claimDead } from '../../../src/delivery/journal/adopt.ts'
import { openJournal } from '../../../src/delivery/journal/journal.ts'
import { DESTINATION } from './destination.ts'

const [directory = '', ...payloads] = process.argv.slice(2)
const journal = openJournal(directory, DESTINATION)
for (const payload of payloads) journal.append(payload)
journal.commit({ sync: false })
process.on('message', () => process.send?.(claimDead(directory, journal.name)))
process.send?.({ name: journal.name, path: journal.path })
