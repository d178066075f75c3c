-- Allocation: wide nodes, five fields each, in one tree that stays alive while it is walked.
Node = {}
Node.__index = Node
function Node.new(depth)
  local self = setmetatable({}, Node)
  self.depth = depth
  if depth > 0 then
    self.a = Node.new(depth - 1)
    self.b = Node.new(depth - 1)
    self.c = Node.new(depth - 1)
    self.d = Node.new(depth - 1)
    self.e = Node.new(depth - 1)
  end
  return self
end
function Node:walk()
  if self.depth == 0 then return 0 end
  return self.depth + self.a:walk() + self.b:walk() + self.c:walk() + self.d:walk()
    + self.e:walk()
end

sum = 0
for i = 0, 4 do
  local tree = Node.new(8)
  sum = sum + tree:walk() + tree:walk()
end
print(sum % 65521)
