/**
 * Five agents that relaunch a website: plain AI SDK agents with telemetry switched on. Nothing here knows of Keito.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ToolLoopAgent, tool } from 'ai'
import { z } from 'zod'
import { mockModel, type Reply, type UsageMeter } from './mock-model.ts'

/** Makes the crew; all models count what they return on the meter. */
export function relaunchCrew(meter: UsageMeter) {
  const telemetry = (functionId: string) => ({ isEnabled: true, functionId })
  const sonnet = (...script: Reply[]) => mockModel('anthropic/claude-sonnet-4-5', script, meter)
  const gpt = (...script: Reply[]) => mockModel('openai/gpt-4o', script, meter)
  const gptMini = (...script: Reply[]) => mockModel('openai/gpt-4o-mini', script, meter)

  /** Several steps, two tools. */
  const pageMigrator = new ToolLoopAgent({
    experimental_telemetry: telemetry('page-migrator'),
    model: sonnet(
      { latencyMs: 1800, input: 2_150, output: 84, tool: 'readPage' },
      { latencyMs: 3200, input: 6_480, cached: 2_048, output: 1_312, tool: 'savePage' },
      { latencyMs: 2000, input: 7_905, cached: 6_144, output: 148 },
    ),
    tools: { readPage: slowTool(700, '<h1>About us</h1>'), savePage: slowTool(600, 'saved') },
  })

  const contrastChecker = new ToolLoopAgent({
    experimental_telemetry: telemetry('contrast-checker'),
    model: gptMini(
      { latencyMs: 1500, input: 3_020, output: 96, tool: 'measure' },
      { latencyMs: 1300, input: 3_310, output: 402 },
    ),
    tools: { measure: slowTool(400, '4.1:1') },
  })

  /** Its tool is another agent, with another model. */
  const siteAuditor = new ToolLoopAgent({
    experimental_telemetry: telemetry('site-auditor'),
    model: gpt(
      { latencyMs: 2400, input: 1_890, output: 61, tool: 'checkContrast' },
      { latencyMs: 3000, input: 2_744, output: 733 },
    ),
    tools: {
      checkContrast: tool({
        inputSchema: z.object({}),
        execute: async () => (await contrastChecker.generate({ prompt: 'Check the home page' })).text,
      }),
    },
  })

  /** To be streamed. */
  const writer = (functionId: string, input: number, output: number) =>
    new ToolLoopAgent({
      experimental_telemetry: telemetry(functionId),
      model: sonnet({ latencyMs: 7600, input, output, text: 'A new home on the web for everybody. '.repeat(5) }),
    })

  /** Fails after its first model call. */
  const linkFixer = new ToolLoopAgent({
    experimental_telemetry: telemetry('link-fixer'),
    model: gpt(
      { latencyMs: 1200, input: 1_204, output: 57, tool: 'listLinks' },
      { latencyMs: 900, error: 'the model is overloaded' },
    ),
    tools: { listLinks: slowTool(500, '41 links') },
  })

  return {
    pageMigrator,
    siteAuditor,
    headlineWriter: writer('headline-writer', 1_530, 218),
    teaserWriter: writer('teaser-writer', 1_488, 305),
    linkFixer,
  }
}

function slowTool(ms: number, result: string) {
  return tool({ inputSchema: z.object({}), execute: () => sleep(ms, result) })
}
