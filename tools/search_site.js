// Asks the search of a built site, as a browser does: its own worker, its own index. node search_site.js SITE < questions
const fs = require("fs")
const path = require("path")

const site = process.argv[2]
const questions = fs.readFileSync(0, "utf8").split("\n").filter(Boolean)
const scripts = path.join(site, "assets", "javascripts", "workers")
const worker = fs.readdirSync(scripts).find(name => /^search\..*\.js$/.test(name))

global.self = global
global.importScripts = () => {}
let answered = () => {}
global.postMessage = message => answered(message)
global.addEventListener = (type, listener) => { global.onmessage = listener }
global.lunr = undefined
require("vm").runInThisContext(fs.readFileSync(path.join(scripts, worker), "utf8"))

const ask = message => new Promise(resolve => {
  answered = resolve
  global.dispatch ? global.dispatch({ data: message }) : global.onmessage({ data: message })
})

async function main() {
  const index = JSON.parse(fs.readFileSync(path.join(site, "search", "search_index.json"), "utf8"))
  await ask({ type: 0, data: { ...index, options: { suggest: false } } })
  for (const question of questions) {
    const answer = await ask({ type: 2, data: question })
    const found = answer.data.items.map(group => group.map(item => item.location))
    console.log(JSON.stringify({ question, found: found.slice(0, 10) }))
  }
}
main()
