// npm's client of XenAPI as a fence agent, to hold the simulated pool against:
//   node client.mjs MODULE TRANSPORT
// MODULE is the file of xen-api. Each line of standard input is a command, and is
// answered by one line: "ok" with a result, or "error" with a code and its arguments.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [module, transport] = process.argv.slice(2)
const { Xapi } = await import(pathToFileURL(module))

let xapi
const usable = async () => {
  const all = await xapi.getAllRecords('VM')
  return all.filter(vm => !vm.is_a_template && !vm.is_control_domain)
}
const find = async guest => (await usable()).find(vm => vm.name_label === guest).$ref

const commands = {
  connect: async (url, user, password) => {
    xapi = new Xapi({ auth: { user, password }, transport, url, watchEvents: false })
    await xapi.connect()
  },
  disconnect: () => xapi.disconnect(),
  list: async () => (await usable()).map(vm => vm.name_label).join(' '),
  status: async guest => xapi.getField('VM', await find(guest), 'power_state'),
  off: async guest => xapi.call('VM.hard_shutdown', await find(guest)),
  on: async guest => xapi.call('VM.start', await find(guest), false, true),
  reboot: async guest => xapi.call('VM.hard_reboot', await find(guest)),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.split(' ')
  try {
    console.log(['ok', await commands[command](...words)].join(' ').trim())
  } catch (error) {
    console.log(['error', error.code ?? error.message, ...(error.params ?? [])].join(' ').replaceAll('\n', ' '))
  }
}
process.exit(0)
