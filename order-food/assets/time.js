// Times in the reader's time zone and manner; the server's words stand there without this module.

const language = document.documentElement.lang
const time = new Intl.DateTimeFormat(language, { timeStyle: "short" })
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" })

function localize() {
  const today = new Date().toDateString()
  for (const element of document.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime)
    if (!isNaN(at)) element.textContent = (at.toDateString() === today ? time : full).format(at)
  }
}

localize()
document.addEventListener("shop:shown", localize)
