-- Computation: methods of an object, inherited ones, ones of the superclass, and bound ones.
Toggle = {}
Toggle.__index = Toggle
function Toggle.init(self, state) self.state = state; return self end
function Toggle:value() return self.state end
function Toggle:flip() self.state = not self.state; return self end
Counting = setmetatable({}, Toggle)
Counting.__index = Counting
function Counting.init(self, state, max)
  Toggle.init(self, state)
  self.max = max
  self.count = 0
  return self
end
function Counting:flip()
  self.count = self.count + 1
  if self.count >= self.max then Toggle.flip(self); self.count = 0 end
  return self
end

on = 0
toggle = Toggle.init(setmetatable({}, Toggle), true)
counting = Counting.init(setmetatable({}, Counting), true, 3)
value = function() return toggle:value() end
for i = 0, 4499999 do
  if toggle:flip():value() then on = on + 1 end
  if counting:flip():value() then on = on + 1 end
  if value() then on = on + 1 end
end
print(on % 65521)
